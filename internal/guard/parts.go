// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// maker has a ledger make the items at places, and returns their answers.
type maker func(ctx context.Context, places []int) ([]v10.BatchResult, error)

// parts are payments of one request, each of which goes to its home. Both ledgers make theirs at the same time, and keep the order in which
// they came.
type parts struct {
	p       *proxy
	hopped  bool
	items   []v10.BatchItem
	slots   []uint16
	results []v10.BatchResult
	left    []int // places without an answer
	moving  []int // of those, whose slots V11 says are V10's
	sent    bool  // something was

	// here makes payments on V10, let through by a view.
	here func(s *served) maker
	away maker
}

func (p *proxy) partsOf(q *request, items []v10.BatchItem) *parts {
	ps := &parts{p: p, hopped: q.hopped, items: items, slots: make([]uint16, len(items)), results: make([]v10.BatchResult, len(items))}
	for i := range items {
		if err := items[i].Err; err != nil {
			ps.refuse(i, v10.ProblemOf(err))
			continue
		}
		ps.slots[i], ps.left = p.g.cfg.Named.Slot(items[i].From), append(ps.left, i)
	}
	return ps
}

// refuse answers an item in the words of a problem.
func (ps *parts) refuse(at int, problem v10.Problem) {
	ps.results[at] = v10.BatchResult{Status: v10.StatusRefused, Error: problem.Text}
	if problem.Code == http.StatusGatewayTimeout {
		ps.results[at].Status = v10.StatusUnknown
	}
}

// wholly reports whether every item is of one side, and none is bad.
func (ps *parts) wholly(s *served, at side) bool {
	if len(ps.left) < len(ps.items) {
		return false
	}
	for _, i := range ps.left {
		if s.sides[ps.slots[i]] != at {
			return false
		}
	}
	return true
}

// make has all payments made. An error is of all of them, and nothing was done then.
func (ps *parts) make(ctx context.Context) error {
	h := holding{p: ps.p}
	defer h.end()
	for sent := 0; sent < againMax; {
		s := ps.p.g.current.Load()
		here, there, wait := ps.sort(s)
		if len(wait) > 0 && !ps.sent || len(here)+len(there) == 0 && len(wait) > 0 {
			if err := h.wait(ctx, s); err != nil {
				return ps.giveUp(err)
			}
			continue
		}
		sent++
		if err := ps.send(ctx, s, here, there); err != nil {
			return ps.giveUp(err)
		}
		ps.left = append(ps.left, wait...)
		if len(ps.left) == 0 {
			return nil
		}
		if len(ps.moving) > 0 {
			sent-- // bounded by its time
			if err := h.again(ctx, s); err != nil {
				return ps.giveUp(err)
			}
		}
	}
	return ps.giveUp(fault.Reasoned(fault.TryLater, reasonAgain, textMoving))
}

// giveUp refuses what is left; if nothing was sent that is all.
func (ps *parts) giveUp(err error) error {
	if !ps.sent {
		return err
	}
	ps.p.g.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	for _, at := range ps.left {
		ps.refuse(at, v10.ProblemOf(err))
	}
	ps.left = nil
	return nil
}

// sort says where what is left goes by a view.
func (ps *parts) sort(s *served) (here, there, wait []int) {
	slices.Sort(ps.left) // a part has them in order
	for _, at := range ps.left {
		switch to := s.sides[ps.slots[at]]; {
		case to == open:
			here = append(here, at)
		case to == atV11 && !ps.hopped:
			there = append(there, at)
		default:
			wait = append(wait, at)
		}
	}
	return here, there, wait
}

// send has both sides make their part. What nobody made, and may be tried again, is left.
func (ps *parts) send(ctx context.Context, s *served, here, there []int) error {
	ps.sent, ps.left, ps.moving = true, nil, nil
	var old error // why V10 made nothing, if a barrier is
	var both sync.WaitGroup
	var broken error
	both.Go(func() {
		defer fault.Recover(&broken)
		old = ps.part(ctx, here, ps.here(s))
	})
	_ = ps.part(ctx, there, ps.away) // V11 knows no generations
	both.Wait()
	if broken != nil {
		return broken
	}
	if old != nil {
		ps.left = append(ps.left, here...)
		ps.p.g.metrics.again.Inc()
		return ps.p.g.outran(ctx, s.Generation+1)
	}
	ps.keepOld(here)
	stale := len(ps.left) > 0
	for _, at := range there {
		if r := &ps.results[at]; r.Status == v10.StatusRefused && r.Error == notHomeText {
			ps.moving = append(ps.moving, at)
		}
	}
	ps.left = append(ps.left, ps.moving...)
	if stale {
		ps.p.g.metrics.again.Inc()
		return ps.p.g.outran(ctx, s.Generation+1)
	}
	return nil
}

// keepOld leaves lines that V10 did not make because of a newer barrier.
func (ps *parts) keepOld(here []int) {
	for _, at := range here {
		if r := &ps.results[at]; r.Status == v10.StatusRefused && r.Error == v10.TextOldGeneration {
			ps.left = append(ps.left, at)
		}
	}
}

// part has one side make its part, and fills in the answers. An error says that a newer barrier came before all of it.
func (ps *parts) part(ctx context.Context, places []int, make maker) error {
	if len(places) == 0 {
		return nil
	}
	answers, err := make(ctx, places)
	refused := (*hop.Refusal)(nil)
	switch {
	case err == nil:
		for i, at := range places {
			ps.results[at] = answers[i]
		}
		return nil
	case errors.As(err, &refused) && refused.Header.Get(v10.HeaderGeneration) != "":
		return err
	}
	problem := v10.ProblemOf(err)
	if refused != nil {
		problem = refused.Words()
	} else {
		ps.p.g.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	}
	for _, at := range places {
		ps.refuse(at, problem)
	}
	return nil
}

// partRequest is a request for a part, without a body.
func partRequest(q *request) *hop.Request {
	others := headersOf(q.Header)
	for _, name := range [...]string{"Content-Type", "Idempotency-Key", "User-Agent"} {
		delete(others, name)
	}
	r := &hop.Request{
		Method: q.Method, Target: requestPath(q.Request), ContentType: q.Header.Get("Content-Type"), Key: q.Header.Get("Idempotency-Key"), Others: others,
	}
	if q.URL.RawQuery != "" {
		r.Target += "?" + q.URL.RawQuery
	}
	return r
}

// stamped gives a request for V10 a generation.
func stamped(r *hop.Request, generation uint64) *hop.Request {
	r.Others[v10.HeaderGeneration] = []string{strconv.FormatUint(generation, 10)}
	return r
}

// batch passes on a batch: as it came if V10 makes all of it, else in parts.
func (p *proxy) batch(ctx context.Context, w http.ResponseWriter, q *request) error {
	items, err := v10.DecodeBatch(nil, q.body)
	if err != nil {
		return err
	}
	ps := p.partsOf(q, items)
	for range againMax {
		s := p.g.current.Load()
		if !ps.wholly(s, open) {
			break
		}
		if done, err := p.toV10(ctx, w, q, s); done || err != nil {
			return err
		}
	}
	ps.here = func(s *served) maker {
		return func(ctx context.Context, places []int) ([]v10.BatchResult, error) {
			return p.parts10.Batch(ctx, stamped(partRequest(q), s.Generation), items, places)
		}
	}
	ps.away = func(ctx context.Context, places []int) ([]v10.BatchResult, error) {
		return p.parts11.Batch(ctx, partRequest(q), items, places)
	}
	if err := ps.make(ctx); err != nil {
		return err
	}
	p.g.metrics.requests.WithLabelValues(wayParted).Inc()
	sendBody(w, v10.Marshal(v10.BatchAnswerOf(ps.results)))
	return nil
}

func sendBody(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Content-Type", contentJSON)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("ETag", string(v10.AppendETag(nil, body)))
	_, _ = w.Write(body) // a client that left is not told
}
