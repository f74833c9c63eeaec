// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/guard"
)

// Bounds of an answer.
const (
	controlBytesMax = 1 << 20
	callersBytesMax = 32 << 20 // guard.CallersMax of them, with a count for each endpoint
)

// Control is the guard by its control interface.
type Control struct {
	url  string
	http *http.Client
}

// NewControl makes one. url is where the guard listens for its controller.
func NewControl(url string) *Control { return &Control{url: url, http: &http.Client{}} }

// State asks where the guard stands.
func (c *Control) State(ctx context.Context) (s GuardState, err error) {
	var a guard.Status
	if err := c.call(ctx, http.MethodGet, "/status", nil, &a); err != nil {
		return s, err
	}
	s.Version = a.HomeVersion
	if err := s.Closed.Set(a.Closed...); err != nil {
		return s, err
	}
	return s, s.Coming.Set(a.Coming...)
}

// Callers asks who called V10 by the guard.
func (c *Control) Callers(ctx context.Context) (a guard.Callers, err error) {
	err = c.ask(ctx, http.MethodGet, "/callers", nil, &a, callersBytesMax)
	return a, err
}

// Fence has the guard close slots.
func (c *Control) Fence(ctx context.Context, version uint64, slots []chain.SlotRange) (*Fence, error) {
	var a guard.FenceAnswer
	if err := c.call(ctx, http.MethodPost, "/fence", guard.FenceRequest{HomeVersion: version, Slots: slots}, &a); err != nil {
		return nil, err
	}
	f := &Fence{Fence: chain.Fence{HomeVersion: a.HomeVersion, Slots: a.Slots, Position: chain.SyncPosition{Major: a.Major, Minor: a.Minor}}}
	incarnation, err := hex.DecodeString(a.Incarnation)
	if err == nil {
		f.Signature, err = hex.DecodeString(a.Signature)
	}
	if err != nil || copy(f.Incarnation[:], incarnation) != len(f.Incarnation) || len(f.Signature) != chain.Ed25519SignatureBytes {
		return nil, fault.New(fault.Corrupt, "the guard's fence cannot be read")
	}
	return f, nil
}

func (c *Control) call(ctx context.Context, method, path string, q, into any) error {
	return c.ask(ctx, method, path, q, into, controlBytesMax)
}

func (c *Control) ask(ctx context.Context, method, path string, q, into any, bytesMax int64) error {
	var body io.Reader
	if q != nil {
		text, err := json.Marshal(q)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "encode a question to the guard")
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the guard's address")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "ask the guard of V10")
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, bytesMax))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the guard's answer")
	}
	if answer.StatusCode != http.StatusOK {
		return refusedBy(answer.StatusCode, text)
	}
	return fault.Wrap(fault.Corrupt, json.Unmarshal(text, into), "the guard's answer")
}

// refusedBy reads why the guard did not do something.
func refusedBy(status int, text []byte) error {
	var e struct {
		Error struct{ Reason, Text string }
	}
	kind := fault.Unavailable
	switch status {
	case http.StatusBadRequest:
		kind = fault.Invalid
	case http.StatusConflict:
		kind = fault.Conflict
	}
	if err := json.Unmarshal(text, &e); err != nil || e.Error.Text == "" {
		return fault.New(kind, "the guard answered %d: %.200s", status, text)
	}
	return fault.Reasoned(kind, e.Error.Reason, "the guard: %s", e.Error.Text)
}
