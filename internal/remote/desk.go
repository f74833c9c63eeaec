// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"sync"

	"github.com/aurigraph/aurigraph/internal/cache"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Desk has validators' custody desks pay. It is safe for concurrent use.
type Desk struct {
	ledger  *Ledger
	numbers *cache.Cache[string, chain.AccountNo]
	assets  *cache.Cache[string, custody.Asset]

	mu   sync.Mutex // guards line
	line *line
}

func newDesk(l *Ledger) *Desk {
	return &Desk{
		ledger: l, numbers: cache.New[string, chain.AccountNo](numbersCachedMax), assets: cache.New[string, custody.Asset](assetsCachedMax),
		line: newLine(lineBounds{waiting: l.cfg.WaitingMax, calls: l.cfg.Calls, payments: PaymentsMax, bytes: BytesMax}),
	}
}

func (d *Desk) waiting() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return float64(d.line.waiting)
}

// Key is zero: only a desk with the network's alias key makes one, of the payment's Caller and ClientKey.
func (d *Desk) Key(_, _ string) chain.IdempotencyKey { return chain.IdempotencyKey{} }

// Body is zero, as Key.
func (d *Desk) Body(*custody.Payment) [16]byte { return [16]byte{} }

// PayMany has up to PaymentsMax payments made, each for itself, and answers each as custody.Desk.Pay does. Those of one payer keep
// their order.
func (d *Desk) PayMany(ctx context.Context, ps []custody.Payment) []custody.Answer {
	g := newGroup(len(ps))
	if len(ps) > PaymentsMax {
		err := fault.Reasoned(fault.Invalid, "payments_count", "%d payments at once, at most %d", len(ps), PaymentsMax)
		for i := range ps {
			g.settle(i, custody.Answer{Err: err})
		}
		return d.counted(g.answers)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	memory, rs := make([]request, len(ps)), make([]*request, 0, len(ps))
	for i := range ps {
		if err := text("payment", ps[i].Asset, ps[i].Caller, ps[i].ClientKey); err != nil {
			g.settle(i, custody.Answer{Err: err})
			continue
		}
		memory[i] = request{payment: ps[i], group: g, at: i}
		rs = append(rs, &memory[i])
	}
	d.enqueue(rs)
	d.await(ctx, g, rs)
	return d.counted(g.answers)
}

// bounded gives a context that never ends PayMax. One that ends by itself is left alone, for the sake of the many.
func (d *Desk) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d.ledger.cfg.PayMax)
}

// counted counts answers, and passes them on.
func (d *Desk) counted(answers []custody.Answer) []custody.Answer {
	m := d.ledger.metrics
	for i := range answers {
		if a := &answers[i]; a.Err != nil {
			_ = m.refuse(a.Err)
		} else {
			m.payments.WithLabelValues(a.Outcome.String()).Inc()
		}
	}
	return answers
}

// enqueue takes requests, or answers those for which there is no room.
func (d *Desk) enqueue(rs []*request) {
	d.mu.Lock()
	n, out := d.line.arrive(rs)
	d.mu.Unlock()
	d.send(out)
	for _, r := range rs[n:] {
		r.group.settle(r.at, custody.Answer{Err: fault.Reasoned(fault.TryLater, "waiting_full", "%d payments wait already: nothing was done, send it again in a moment", d.line.bounds.waiting)})
	}
}

// send carries loads, each on a goroutine of its own, and what became ready when one has ended.
func (d *Desk) send(out []*load) {
	for _, l := range out {
		go d.carry(l)
	}
}

// await waits for a group's answers. When ctx ends, all that is left is answered: what still waits was not done, of what was sent
// nobody knows yet.
func (d *Desk) await(ctx context.Context, g *group, rs []*request) {
	select {
	case <-g.done:
		return
	case <-ctx.Done():
	}
	for _, r := range rs {
		d.mu.Lock()
		waited := d.line.withdraw(r)
		d.mu.Unlock()
		if waited {
			g.settle(r.at, custody.Answer{Err: errNotSent()})
		} else {
			g.settle(r.at, custody.Answer{Err: errUnknown()})
		}
	}
	<-g.done
}
