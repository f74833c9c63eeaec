// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"net/http"
	"runtime"
	"strings"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func (s *Server) login(ctx context.Context, q *request) (any, error) {
	var r v10.Login
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	return s.parts.Access.Login(ctx, &r)
}

// refresh trades the token of the body, or else that of the Authorization header.
func (s *Server) refresh(ctx context.Context, q *request) (any, error) {
	var r v10.Refresh
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	if r.Token == "" {
		r.Token = bearer(q.Header)
	}
	return s.parts.Access.Refresh(ctx, r.Token)
}

// bearer is the token of an Authorization header, empty if there is none.
func bearer(h http.Header) string {
	const scheme = "Bearer "
	if v := h.Get("Authorization"); len(v) > len(scheme) && strings.EqualFold(v[:len(scheme)], scheme) {
		return v[len(scheme):]
	}
	return ""
}

func (s *Server) apiKeys(ctx context.Context, q *request) (any, error) {
	list, err := s.parts.Access.Keys(ctx, q.caller)
	return v10.APIKeyList{Keys: list, Total: len(list)}, err
}

func (s *Server) createAPIKey(ctx context.Context, q *request) (any, error) {
	var r v10.CreateAPIKey
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	return s.parts.Access.CreateKey(ctx, q.caller, &r)
}

// deleteAPIKey answers 200 in any case, as V10's management does.
func (s *Server) deleteAPIKey(ctx context.Context, q *request) (any, error) {
	found, err := s.parts.Access.DeleteKey(ctx, q.caller, q.params.Get("id"))
	if err != nil {
		return nil, err
	}
	if !found {
		return v10.Done{Message: v10.TextNoKey}, nil
	}
	return v10.Done{Success: true}, nil
}

func (s *Server) adminStatus(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	return v10.AdminStatus{
		Node: st.Node, Version: st.Version, Network: st.Network, Ready: s.serves(), Auth: s.parts.Access.Mode(), Height: uint64(st.Height),
		Accounts: st.Accounts, Assets: st.Assets, Uptime: s.uptimeSeconds(), Refusals: s.refusals.Load(), InFlight: int(s.inFlight.Load()),
		Goroutines: runtime.NumGoroutine(),
	}, nil
}

func (s *Server) adminLimits(context.Context, *request) (any, error) {
	list := s.limits()
	return v10.LimitList{Limits: list, Total: len(list)}, nil
}
