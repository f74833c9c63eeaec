// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers with what it was asked, or with an error.
type echo struct {
	err      error
	finished *chain.ProvedHandover
	asked    *seal.Plan
}

var (
	member = chain.Member{No: 2, JoinEpoch: 1, Name: "node2", Ed25519: make([]byte, 32), MLDSA65: make([]byte, 1952)}
	place  = &seal.Where{Chain: 7, Validator: 2, Membership: &chain.Membership{Epoch: 3, Members: []chain.Member{member}}, Base: seal.Point{Height: 9, Header: chain.Hash{9}}, Refused: true}
	claim  = &seal.Claim{Chain: 7, Epoch: 3, Validator: 2, Root: chain.Hash{1}, Signature: make([]byte, 64), Header: []byte("header")}
	plan   = &seal.Plan{Next: *place.Membership}
)

func (e *echo) Where(context.Context) (*seal.Where, error) { return place, e.err }

func (e *echo) Reveal(_ context.Context, id chain.ChainID, epoch chain.Epoch) (*seal.Reveal, error) {
	return &seal.Reveal{Chain: id, Epoch: epoch, Validator: 2, Signature: make([]byte, 64)}, e.err
}

func (e *echo) Prepare(_ context.Context, p *seal.Plan) (*seal.Claim, error) {
	e.asked = p
	return claim, e.err
}

func (e *echo) Sign(_ context.Context, _ *seal.Plan, claims []*seal.Claim) (*chain.Approval, error) {
	return &chain.Approval{Validator: claims[0].Validator, Signature: bytes.Repeat([]byte{5}, 64)}, e.err
}

func (e *echo) Finish(_ context.Context, p *chain.ProvedHandover) error {
	e.finished = p
	return e.err
}

// serving serves a validator in a folder until the test ends.
func serving(t *testing.T, folder string, v seal.Validator) *Client {
	t.Helper()
	l, err := Listen(folder)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, Doors{Seal: v}, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(SocketPath(folder)); !errors.Is(err, os.ErrNotExist) {
			t.Error("the socket is still there:", err)
		}
	})
	return Dial(SocketPath(folder))
}

func TestEveryQuestion(t *testing.T) {
	e := &echo{}
	c, ctx := serving(t, t.TempDir(), e), t.Context()
	if w, err := c.Where(ctx); err != nil || !reflect.DeepEqual(w, place) {
		t.Errorf("%+v %v", w, err)
	}
	if r, err := c.Reveal(ctx, 7, 300); err != nil || r.Chain != 7 || r.Epoch != 300 || r.Validator != 2 {
		t.Errorf("%+v %v", r, err)
	}
	if x, err := c.Prepare(ctx, plan); err != nil || !reflect.DeepEqual(x, claim) || !reflect.DeepEqual(e.asked, plan) {
		t.Errorf("%+v %v", x, err)
	}
	if a, err := c.Sign(ctx, plan, []*seal.Claim{claim}); err != nil || a.Validator != 2 || len(a.Signature) != 64 || a.Signature[63] != 5 {
		t.Errorf("%+v %v", a, err)
	}
	proved := &chain.ProvedHandover{Handover: chain.Handover{Chain: 7, Verdict: chain.VerdictUnchanged, Height: 9, Next: *place.Membership}, HeaderBytes: []byte("header")}
	if err := c.Finish(ctx, proved); err != nil || !reflect.DeepEqual(e.finished, proved) {
		t.Errorf("%+v %v", e.finished, err)
	}
}

// Errors arrive as the kind, reason and text that the node gave them.
func TestErrorsTravel(t *testing.T) {
	e := &echo{}
	c, ctx := serving(t, t.TempDir(), e), t.Context()
	seen := map[int]bool{}
	for _, k := range fault.Kinds() {
		seen[statusOf(k)] = true
		for _, reason := range []string{"", "some_reason"} {
			e.err = fault.Reasoned(k, reason, "it is so, %s", k)
			for step, ask := range map[string]func() error{
				"where":   func() error { _, err := c.Where(ctx); return err },
				"reveal":  func() error { _, err := c.Reveal(ctx, 1, 1); return err },
				"prepare": func() error { _, err := c.Prepare(ctx, plan); return err },
				"sign":    func() error { _, err := c.Sign(ctx, plan, []*seal.Claim{claim}); return err },
				"finish":  func() error { return c.Finish(ctx, &chain.ProvedHandover{}) },
			} {
				err := ask()
				if fault.KindOf(err) != k || fault.ReasonOf(err) != fault.ReasonOf(e.err) || err.Error() != e.err.Error() {
					t.Errorf("%s: %v (%s, %s), want %v", step, err, fault.KindOf(err), fault.ReasonOf(err), e.err)
				}
			}
		}
	}
	if len(seen) < 9 {
		t.Error("kinds share too many codes:", seen)
	}
}

func TestBadRequests(t *testing.T) {
	c := serving(t, t.TempDir(), &echo{})
	for _, r := range []struct {
		method, path string
		body         []byte
		code         int
	}{
		{"POST", pathReveal, []byte("short"), 400},
		{"POST", pathPrepare, []byte("junk"), 400},
		{"POST", pathSign, nil, 400},
		{"POST", pathFinish, []byte("AUD1"), 400},
		{"POST", pathFinish, make([]byte, seal.RequestBytesMax+1), 400},
		{"GET", pathReveal, nil, 405},
		{"POST", pathWhere, nil, 405},
		{"GET", "/other", nil, 404},
	} {
		request, err := http.NewRequestWithContext(t.Context(), r.method, "http://admin"+r.path, bytes.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != r.code {
			t.Errorf("%s %s with %d bytes: %s", r.method, r.path, len(r.body), answer.Status)
		}
		answer.Body.Close()
	}
}

// A server that is no node, or a broken one, gives errors and takes no memory.
func TestBadAnswers(t *testing.T) {
	folder := t.TempDir()
	l, err := net.Listen("unix", SocketPath(folder))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(pathWhere, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, zeros{}, seal.AnswerBytesMax+10)
	})
	mux.HandleFunc(pathSign, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("short")) })
	s := &http.Server{Handler: mux}
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	c, ctx := Dial(SocketPath(folder)), t.Context()
	_, err = c.Where(ctx)
	wantKind(t, err, fault.Invalid)
	_, err = c.Sign(ctx, plan, []*seal.Claim{claim})
	wantKind(t, err, fault.Invalid)
	_, err = c.Reveal(ctx, 1, 1) // without a kind it is nobody's fault that is known
	wantKind(t, err, fault.Internal)
	s.Close()
	<-served
	_, err = c.Where(ctx)
	wantKind(t, err, fault.Unavailable)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = c.Where(ended)
	wantKind(t, err, fault.Timeout)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func wantKind(t *testing.T, err error, k fault.Kind) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Errorf("got %v, want %s", err, k)
	}
}

func TestSocketIsOurs(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	folder := t.TempDir()
	serving(t, folder, &echo{})
	info, err := os.Stat(SocketPath(folder))
	if err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("%v %v", info.Mode(), err)
	}
	_, err = Listen(folder)
	wantKind(t, err, fault.Conflict)
}

// The socket of a process that was killed is replaced. What else has its name is left alone.
func TestStaleSocket(t *testing.T) {
	folder := t.TempDir()
	l, err := net.Listen("unix", SocketPath(folder))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := os.Lstat(SocketPath(folder)); err != nil {
		t.Fatal(err)
	}
	if _, err := serving(t, folder, &echo{}).Where(t.Context()); err != nil {
		t.Error(err)
	}
	other := t.TempDir()
	if err := os.WriteFile(SocketPath(other), []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Listen(other)
	wantKind(t, err, fault.Conflict)
	_, err = Listen(filepath.Join(other, "missing"))
	wantKind(t, err, fault.Unavailable)
}

func TestLongPath(t *testing.T) {
	folder := t.TempDir()
	for len(folder) < 300 {
		folder = filepath.Join(folder, strings.Repeat("d", 60))
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	c := serving(t, folder, &echo{})
	for range 2 {
		if w, err := c.Where(t.Context()); err != nil || w.Chain != 7 {
			t.Fatal(w, err)
		}
	}
	_, err := Listen(folder)
	wantKind(t, err, fault.Conflict)
	_, err = Dial(filepath.Join(folder, "missing", SocketName)).Where(t.Context())
	wantKind(t, err, fault.Unavailable)
	_, _, err = shortPath(filepath.Join(folder, strings.Repeat("n", 120)))
	wantKind(t, err, fault.Invalid)
	if !strings.Contains(fmt.Sprint(err), "shorter path") {
		t.Error(err)
	}
}
