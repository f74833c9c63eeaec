// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// handler answers a request with a value that v10.Marshal encodes, or with a raw body.
type handler func(ctx context.Context, q *request) (any, error)

// stream answers piece by piece. An error before the first piece is answered as any other.
type stream func(ctx context.Context, q *request, w http.ResponseWriter) error

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	w.Header()["Access-Control-Allow-Origin"] = anyOrigin
	if s.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	if r.Method == http.MethodOptions {
		s.preflight(w, r)
		return
	}
	row, params, err := v10.Match(r.Method, requestPath(r))
	switch {
	case err != nil:
		s.refuse(w, nil, v10.ProblemOf(err), begin)
	case twoLengths(r):
		w.Header().Set("Connection", "close")
		s.refuse(w, row, v10.Problem{Code: http.StatusBadRequest, Text: "A request has either a Content-Length or a Transfer-Encoding"}, begin)
	case row.Is501():
		s.refuse(w, row, v10.ProblemOfMissing(row.Missing), begin)
	default:
		s.admit(w, &request{Request: r, row: row, params: params, begin: begin, leave: nobodyLeaves})
	}
}

// nobodyLeaves is for a request of which no caller is known.
func nobodyLeaves() {}

// requestPath is the path as the client wrote it: names keep their escapes, and nothing is cleaned away.
func requestPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if strings.HasPrefix(path, "/") {
		return path
	}
	return r.URL.EscapedPath() // a proxy's absolute form
}

// preflight answers OPTIONS on any path.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
		h.Set("Vary", "Access-Control-Request-Headers")
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusNoContent)
	s.metrics.count(nil, http.StatusNoContent)
}

// admit lets a request in: whose caller may come in, to a server that serves, as long as there is room.
func (s *Server) admit(w http.ResponseWriter, q *request) {
	ctx, cancel := context.WithTimeout(q.Context(), time.Duration(q.row.DeadlineMs)*time.Millisecond)
	defer cancel()
	if !s.parts.Ready() && !tellsHealth(q.row) {
		s.fail(w, q, fault.Reasoned(fault.Unavailable, "starting", "the node does not serve yet"))
		return
	}
	err := s.enter(ctx, q)
	defer q.leave()
	if err != nil {
		s.fail(w, q, err)
		return
	}
	s.readProxyID(q)
	if run, ok := s.streams[q.row]; ok {
		s.stream(ctx, w, q, run)
		return
	}
	// A body is read before the request takes a place: who sends one slowly holds up nobody.
	defer func() { s.bodies.Add(-q.charged) }()
	if err := q.readBody(w, &s.bodies); err != nil {
		s.fail(w, q, err)
		return
	}
	s.handle(ctx, w, q)
}

// enter says who calls, where that matters, and whether the caller may use the row. What must be written down is refused when it
// cannot be.
func (s *Server) enter(ctx context.Context, q *request) (err error) {
	if access.Public(q.row) {
		return nil
	}
	var leave func()
	if q.caller, leave, err = s.parts.Access.Enter(ctx, q.Header); err != nil {
		return err
	}
	q.leave = leave
	if err := q.caller.Allow(q.row); err != nil || !s.audits(q.row) {
		return err
	}
	return s.parts.Trail.Ready()
}

// tellsHealth reports whether a row is answered in any condition.
func tellsHealth(row *v10.Endpoint) bool { return strings.HasSuffix(row.Path, "/health") }

var errNotInTime = fault.Reasoned(fault.Unavailable, "not_in_time", "the ledger did not answer in time")

func errOverload() error {
	return fault.Reasoned(fault.TryLater, "overload", "The server is busy: try again in a moment")
}

func (s *Server) handle(ctx context.Context, w http.ResponseWriter, q *request) {
	defer s.inFlight.Add(-1)
	if s.inFlight.Add(1) > int64(s.cfg.InFlightMax) {
		s.fail(w, q, errOverload())
		return
	}
	q.upgrade = w
	answer, err := s.call(ctx, q)
	s.note(q, err)
	if errors.Is(err, errHijacked) {
		s.metrics.count(q.row, http.StatusSwitchingProtocols)
		return
	}
	if err != nil {
		s.fail(w, q, err)
		return
	}
	s.send(w, q, answer)
}

// call calls the handler of a row, or sends on what belongs to V10. A bug in a handler costs its request alone.
func (s *Server) call(ctx context.Context, q *request) (answer any, err error) {
	defer fault.Recover(&err)
	answer, err = s.handlers[q.row](ctx, q)
	if isAway(err) {
		return s.sendOn(ctx, q, err)
	}
	return answer, err
}

func (s *Server) stream(ctx context.Context, w http.ResponseWriter, q *request, run stream) {
	defer s.streamed.Add(-1)
	if s.streamed.Add(1) > int64(s.cfg.StreamsMax) {
		s.fail(w, q, errOverload())
		return
	}
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	err := run(ctx, q, w)
	s.note(q, err)
	if err != nil {
		s.fail(w, q, err)
		return
	}
	s.metrics.count(q.row, http.StatusOK)
}

// fail answers an error, and logs what the client is not told. A read that took too long changed nothing, so it is not unknown what became
// of it: it is the server that is not available.
func (s *Server) fail(w http.ResponseWriter, q *request, err error) {
	p := problemOf(err)
	if p.Code == http.StatusGatewayTimeout && q.row.Retry == v10.RetryRead {
		p = v10.ProblemOf(errNotInTime)
	}
	if p.Code == http.StatusInternalServerError {
		s.parts.Log.Error("a request failed", obs.KeyMethod, q.row.Method+" "+q.row.Path, obs.Err(err))
	}
	s.refuse(w, q.row, p, q.begin)
}
