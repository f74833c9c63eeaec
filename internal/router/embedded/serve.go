// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	rule, account := router.Locate(r.Method, r.URL.EscapedPath())
	switch {
	case rule.Member != "":
		body, err := p.gather(w, r)
		if err != nil {
			p.answer(w, err)
			return
		}
		defer p.bodies.Add(-int64(cap(body)))
		account = rule.AccountIn(body)
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	case rule.Stream:
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 has it anyway
	default:
		r.Body = http.MaxBytesReader(w, r.Body, v10.BatchBytesMax)
	}
	x := newPassage(p.table.Load(), account)
	ctx := context.WithValue(r.Context(), passageKey{}, x)
	if !rule.Stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerMax)
		defer cancel()
	}
	defer p.passed(x, r, &rule, began) // also if the answer is cut off, which is a panic
	p.forward.ServeHTTP(w, r.WithContext(ctx))
}

// gather reads a body that may name an account. What it takes is counted in p.bodies, by capacity.
func (p *Proxy) gather(w http.ResponseWriter, r *http.Request) (body []byte, err error) {
	size := r.ContentLength
	if size > v10.BodyBytesMax {
		return nil, errTooLarge
	}
	if size < 0 {
		size = v10.BodyBytesMax
	}
	size++ // so that a reader which has the whole body sees its end without growing
	if p.bodies.Add(size) > p.cfg.BodiesBytesMax {
		p.bodies.Add(-size)
		return nil, fault.Reasoned(fault.TryLater, reasonBodies, "The router has too many bodies in memory: nothing was done, send it again in a moment")
	}
	defer func() { p.bodies.Add(int64(cap(body)) - size) }()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyMax)) // without it the client's connection bounds it
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	var buffer bytes.Buffer
	if r.ContentLength > 0 {
		buffer.Grow(int(size) + bytes.MinRead)
	}
	n, err := buffer.ReadFrom(io.LimitReader(r.Body, v10.BodyBytesMax+1))
	switch {
	case err != nil:
		return nil, fault.Reasoned(fault.Invalid, reasonCut, "The body did not come whole")
	case n > v10.BodyBytesMax:
		return nil, errTooLarge
	}
	return buffer.Bytes(), nil
}

var errTooLarge = fault.Reasoned(fault.Invalid, v10.ReasonTooLarge, "the body is too large")

// failed answers a request that got no answer from its side.
func (p *Proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	switch large := (*http.MaxBytesError)(nil); {
	case errors.As(err, &large):
		err = errTooLarge
	case r.Context().Err() != nil && !errors.Is(r.Context().Err(), context.DeadlineExceeded):
		err = fault.Reasoned(fault.Timeout, reasonGoneAway, "the client left")
	case fault.ReasonOf(err) != reasonUnsent:
		err = fault.Reasoned(fault.Timeout, reasonUnknown, "the ledger was asked and did not answer: %v", err)
	}
	passageOf(r.Context()).status = p.answer(w, err)
}

// answer answers in the dialect's words, and returns the status.
func (p *Proxy) answer(w http.ResponseWriter, err error) int {
	p.metrics.failures.WithLabelValues(fault.ReasonOf(err)).Inc()
	problem := v10.ProblemOf(err)
	body := problem.Append(nil, v10.FamilyPlain)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if problem.RetryAfterS > 0 {
		h.Set("Retry-After", strconv.Itoa(problem.RetryAfterS))
	}
	w.WriteHeader(problem.Code)
	_, _ = w.Write(body) // a client that left is not told
	return problem.Code
}

// Serve routes what comes to l until ctx ends; what is under way then has drainMax. It closes l, and lets the connections to both sides go.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	inner, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut() // what was switched over to another protocol ends with the router
	web := &http.Server{
		BaseContext: func(net.Listener) context.Context { return inner },
		Handler:     p, ReadHeaderTimeout: headerMax, IdleTimeout: clientIdleMax, MaxHeaderBytes: headerBytesMax, ErrorLog: newErrorLog(p.cfg.Log),
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
		defer cancel()
		if web.Shutdown(grace) != nil {
			_ = web.Close() // what does not end is cut
		}
		err = <-served
	}
	for _, s := range p.sides {
		s.transport.CloseIdleConnections()
	}
	p.metrics.unregister()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "route on %s", l.Addr())
}

func newErrorLog(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
