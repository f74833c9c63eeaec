// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"time"

	"google.golang.org/grpc"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

// wavesMax bounds how often the payments of a load are put to validators: those that one of them did not make go to the next.
const wavesMax = 3

// keyedAttemptMax is how long a validator has for payments that another one can be asked about: what it takes to find a new leader, and
// no more, since all payers of the call wait meanwhile.
const keyedAttemptMax = 2 * time.Second

// kindNames are the kinds of calls in counters.
var kindNames = [...]string{unkeyed: "unkeyed", keyed: "keyed"}

// carry has a load paid, and sends what became ready meanwhile.
func (d *Desk) carry(l *load) {
	ctx, cancel := context.WithTimeout(context.Background(), d.ledger.cfg.PayMax) //lint:context it is several callers' call, and ends by itself
	defer cancel()
	d.ledger.metrics.together.Observe(float64(len(l.requests)))
	d.pay(ctx, l)
	d.mu.Lock()
	out := d.line.leave(l)
	d.mu.Unlock()
	d.send(out)
}

// pay puts payments to one validator after the other, until each has an answer. What is left in the end has the last one.
func (d *Desk) pay(ctx context.Context, l *load) {
	left := &wave{kind: l.kind, requests: l.requests, last: make([]error, len(l.requests))}
	for n := range wavesMax {
		// A slot has a validator, as long as that is well; who was not served goes to the next one.
		left.key = uint32(l.slot+n) + 1
		d.ledger.metrics.calls.WithLabelValues(kindNames[l.kind]).Inc()
		spoke := d.ask(ctx, left)
		if len(left.requests) == 0 {
			return
		}
		if !spoke || ctx.Err() != nil {
			break // the pool has asked those whom it could
		}
	}
	for i, r := range left.requests {
		d.settle(r, custody.Answer{Err: left.last[i]})
	}
}

// wave is the payments of a load that have no answer yet, and what was said of each last.
type wave struct {
	kind     int
	key      uint32 // of the call
	requests []*request
	last     []error
	unknown  bool // a call with all of them was lost: they may have been made
}

// ask puts a wave to a validator, and reports whether one answered. Those that it made, or refused for good, leave the wave.
func (d *Desk) ask(ctx context.Context, w *wave) (spoke bool) {
	q := payMany(w.requests)
	var a *custodyv1.PayManyResponse
	c := upstream.Call{Group: upstream.GroupPay, Retry: upstream.RetryUnsent, Key: w.key}
	if w.kind == keyed {
		c.Retry, c.Attempt = upstream.RetrySafe, keyedAttemptMax
	}
	err := d.ledger.call(ctx, c, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		a, err = custodyv1.NewCustodyClient(conn).PayMany(ctx, q)
		if err != nil && spoken(err) == nil {
			w.unknown = true
		}
		return err
	})
	if err == nil && len(a.Answers) != len(w.requests) {
		w.unknown, err = true, malformed("%d answers for %d payments", len(a.Answers), len(w.requests))
	}
	if err != nil {
		d.lose(w, err)
		return false
	}
	d.sift(w, a.Answers)
	return true
}

// lose notes for each payment of a call that failed what is known.
func (d *Desk) lose(w *wave, err error) {
	if w.unknown {
		d.ledger.log.Warn("a call with payments ended without a validator's word", obs.KeyCount, len(w.requests), obs.Err(err))
		err = errUnknown()
	} else if fault.Is(err, fault.Timeout) {
		err = errNotSent()
	}
	for i := range w.last {
		w.last[i] = err
	}
}

// sift answers the payments whose fate is known, and keeps those that another validator may make.
func (d *Desk) sift(w *wave, answers []*custodyv1.PayAnswer) {
	requests, last := w.requests[:0:0], w.last[:0]
	for i, r := range w.requests {
		a := answerOf(answers[i])
		why := again(w, a.Err)
		if why == "" {
			d.settle(r, a)
			continue
		}
		if w.unknown && !fault.Is(a.Err, fault.Timeout) {
			a.Err = errUnknown() // this validator did nothing, one that was asked before may have
		}
		d.ledger.metrics.again.WithLabelValues(why).Inc()
		requests, last = append(requests, r), append(last, a.Err)
	}
	w.requests, w.last = requests, last
}

// again says why a payment may be put to another validator, "" if it may not: it was certainly not made where it was, or it has a
// key, so that it is made once.
func again(w *wave, err error) string {
	switch {
	case fault.Is(err, fault.Unavailable), fault.Is(err, fault.Halted):
		return "undone"
	case fault.Is(err, fault.Timeout) && w.kind == keyed:
		return "unknown"
	}
	return ""
}

func (d *Desk) settle(r *request, a custody.Answer) {
	if a.Err == nil {
		d.ledger.saw(a.Height)
	}
	if !r.group.settle(r.at, a) {
		d.ledger.metrics.late.Inc()
	}
}

// payMany writes payments. It shares the names' memory with the requests, which nobody changes.
func payMany(rs []*request) *custodyv1.PayManyRequest {
	memory := make([]custodyv1.PayRequest, len(rs))
	q := &custodyv1.PayManyRequest{Payments: make([]*custodyv1.PayRequest, len(rs))}
	for i, r := range rs {
		p, one := &r.payment, &memory[i]
		one.From, one.To, one.Amount, one.Asset = []byte(p.From), []byte(p.To), p.Amount.String(), p.Asset
		if p.Keyed {
			one.IdempotencyKey, one.Caller = p.ClientKey, &p.Caller
		}
		q.Payments[i] = one
	}
	return q
}

func answerOf(a *custodyv1.PayAnswer) custody.Answer {
	switch {
	case a.GetFault() != nil:
		return custody.Answer{Err: refusalOf(a.Fault)}
	case a.GetFate() == nil:
		return custody.Answer{Err: errUnknown()}
	}
	return custody.Answer{Result: fateOf(a.Fate)}
}

func fateOf(f *custodyv1.Fate) custody.Result {
	return custody.Result{
		Height: chain.Height(f.GetHeight()), TimeUs: f.GetTimeUs(), Batch: f.GetBatchIndex(), Item: f.GetItem(), Outcome: chain.Outcome(f.GetOutcome()), First: f.GetFirst(),
	}
}
