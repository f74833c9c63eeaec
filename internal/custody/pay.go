// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// lookupsAtOnce bounds the look-ups in the ledger that one call makes at a time.
const lookupsAtOnce = 16

// Pay makes a payment and waits for its certificate, at most PayMax. A payee that nobody knows is opened first.
//
// Errors: NotFound, reason unknown_payer or unknown_asset; Invalid for what no ledger could execute; Denied, reason over_cap;
// TryLater and Unavailable when nothing was done; Conflict, reason key_reused, when the key was used for another payment; Timeout
// when nobody knows yet what became of it.
func (d *Desk) Pay(ctx context.Context, p Payment) (Result, error) {
	a := d.PayMany(ctx, []Payment{p})[0]
	return a.Result, a.Err
}

// PayMany makes up to PaymentsMax payments, each for itself, and answers each as Pay does. Those of one payer keep their order.
func (d *Desk) PayMany(ctx context.Context, ps []Payment) []Answer {
	if len(ps) > PaymentsMax {
		err := fault.Reasoned(fault.Invalid, "payments_count", "%d payments at once, at most %d", len(ps), PaymentsMax)
		return refuseAll(d, ps, err)
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	t := newTill(d, ps)
	t.prepare(ctx)
	d.enqueue(t.requests)
	d.await(ctx, t.group, t.requests)
	t.repeats(ctx)
	t.close()
	return t.group.answers
}

func refuseAll(d *Desk, ps []Payment, err error) []Answer {
	out := make([]Answer, len(ps))
	for i := range out {
		out[i].Err = d.refuse(err)
	}
	return out
}

// till is one call's payments. Its goroutine owns it; the group's answers are shared until await has returned.
type till struct {
	desk     *Desk
	payments []Payment
	group    *group
	requests []*request // of those that can be sent
	reserved []reserved
	day      int64
}

// reserved is what is counted for a payment against its payer's cap of the day. No payer: nothing is.
type reserved struct {
	payer chain.AccountNo
	asset Asset
}

func newTill(d *Desk, ps []Payment) *till {
	return &till{desk: d, payments: ps, group: newGroup(len(ps)), reserved: make([]reserved, len(ps)), day: today()}
}

// prepare makes a request of each payment, or answers it.
func (t *till) prepare(ctx context.Context) {
	if len(t.payments) == 0 {
		close(t.group.done)
		return
	}
	found := t.look(ctx)
	memory := make([]request, len(t.payments))
	t.requests = make([]*request, 0, len(t.payments))
	var all errgroup.Group
	all.SetLimit(lookupsAtOnce)
	for i := range t.payments {
		leg, err := t.leg(ctx, i, found)
		switch {
		case err == nil:
			memory[i] = request{leg: leg, group: t.group, at: i}
			t.requests = append(t.requests, &memory[i])
		case t.payments[i].Keyed && fault.ReasonOf(err) == reasonOverCap:
			all.Go(func() error {
				t.group.settle(i, t.desk.repeatOr(ctx, &t.payments[i], err))
				return nil
			})
		default:
			t.group.settle(i, Answer{Err: err})
		}
	}
	_ = all.Wait() // every error is in its answer
}

// repeatOr answers for a payment that is over a cap: it may be the repeat of one that was not.
func (d *Desk) repeatOr(ctx context.Context, p *Payment, refused error) Answer {
	a := d.repeat(ctx, p, 0)
	if fault.ReasonOf(a.Err) == reasonKeyExpired {
		a.Err = refused
	}
	return a
}

// looked is what was found under a name.
type looked struct {
	no    chain.AccountNo
	fresh bool // it was opened for this
	err   error
}

// look finds every name of the call, and opens those payees that nobody knows, many at once.
func (t *till) look(ctx context.Context) map[string]*looked {
	found := make(map[string]*looked, 2*len(t.payments))
	for i := range t.payments {
		found[t.payments[i].From], found[t.payments[i].To] = &looked{}, &looked{}
	}
	var all errgroup.Group
	all.SetLimit(lookupsAtOnce)
	for name, l := range found {
		if no, ok := t.desk.directory.known(name); ok {
			l.no = no
			continue
		}
		all.Go(func() error {
			l.no, l.err = t.desk.directory.find(ctx, name)
			return nil
		})
	}
	_ = all.Wait() // every error is in its place
	t.open(ctx, found)
	return found
}

// open opens the payees that nobody knows, of payers whom somebody knows.
func (t *till) open(ctx context.Context, found map[string]*looked) {
	var unknown []string
	listed := map[string]bool{}
	for i := range t.payments {
		p := &t.payments[i]
		if fault.ReasonOf(found[p.To].err) == reasonNoAccount && found[p.From].err == nil && t.check(p) == nil && !listed[p.To] {
			unknown, listed[p.To] = append(unknown, p.To), true
		}
	}
	for i, a := range t.desk.opener.open(ctx, unknown) {
		*found[unknown[i]] = a
	}
}

// check refuses what no ledger could execute.
func (t *till) check(p *Payment) error {
	switch {
	case p.Amount.IsZero():
		return fault.Reasoned(fault.Invalid, "amount_zero", "the amount is 0")
	case p.From == p.To:
		return fault.Reasoned(fault.Invalid, "same_account", "payer and payee are the same account")
	case p.Keyed && p.Key.IsZero():
		return fault.Reasoned(fault.Invalid, "key_zero", "the idempotency key is all zero")
	}
	if err := keys.CheckAlias(p.From); err != nil {
		return err
	}
	return keys.CheckAlias(p.To)
}

// leg makes a payment's leg, if all it names is there and it is within the caps.
func (t *till) leg(ctx context.Context, i int, found map[string]*looked) (leg chain.Leg, err error) {
	p := &t.payments[i]
	if err := t.check(p); err != nil {
		return leg, err
	}
	from, to := found[p.From], found[p.To]
	switch {
	case fault.ReasonOf(from.err) == reasonNoAccount:
		return leg, fault.Reasoned(fault.NotFound, "unknown_payer", "there is no account of the payer's name")
	case from.err != nil:
		return leg, notSent(from.err)
	case to.err != nil:
		return leg, notSent(to.err)
	}
	asset, err := t.desk.Asset(ctx, p.Asset)
	if err != nil {
		return leg, notSent(err)
	}
	if err := t.desk.caps.reserve(&asset, from.no, p.Amount, t.day); err != nil {
		return leg, err
	}
	t.reserved[i] = reserved{from.no, asset}
	return legOf(p, from.no, to.no, asset.Number), nil
}

// notSent gives the error of a look-up the meaning that it has for a payment: a time that ran out before anything was sent leaves
// nothing unknown.
func notSent(err error) error {
	if fault.Is(err, fault.Timeout) {
		return errNotSent()
	}
	return err
}

// repeats looks up what the ledger calls a duplicate, and answers with what became of the first.
func (t *till) repeats(ctx context.Context) {
	var all errgroup.Group
	all.SetLimit(lookupsAtOnce)
	for i := range t.group.answers {
		a := &t.group.answers[i]
		if a.Err == nil && a.Outcome == chain.Duplicate {
			all.Go(func() error {
				*a = t.desk.repeat(ctx, &t.payments[i], a.Height)
				return nil
			})
		}
	}
	_ = all.Wait() // every error is in its answer
}

// reasonKeyExpired marks the Conflict that says that the ledger does not know a key.
const reasonKeyExpired = "key_expired"

// repeat answers for a payment whose key was used before, as of a height.
func (d *Desk) repeat(ctx context.Context, p *Payment, at chain.Height) Answer {
	first, err := d.keyed(ctx, p.Key, at)
	switch {
	case fault.Is(err, fault.NotFound):
		return Answer{Err: fault.Reasoned(fault.Conflict, reasonKeyExpired, "the idempotency key was used before, and by now the ledger has forgotten for what: nothing was done")}
	case err != nil:
		return Answer{Err: fault.Wrap(fault.Timeout, err, "the idempotency key was used before, and what became of that could not be read: ask again with the same key")}
	case first.BodyKnown && first.Body != p.Body:
		return Answer{Err: fault.Reasoned(fault.Conflict, "key_reused", "the idempotency key was used for another payment: nothing was done, use a new key")}
	}
	return Answer{Result: Result{Height: first.Height, TimeUs: first.TimeUs, Batch: first.Index, Item: first.Item, Outcome: first.Outcome}}
}

// keyed asks until a node answers that has come as far as a height.
func (d *Desk) keyed(ctx context.Context, key chain.IdempotencyKey, after chain.Height) (*KeyedFate, error) {
	for try := 0; ; try++ {
		f, err := d.chain.Keyed(ctx, d.cfg.Institution, key, after)
		if err == nil || fault.Is(err, fault.NotFound) {
			return f, err
		}
		if pause(ctx, try) != nil {
			return nil, err
		}
	}
}

// close counts the answers, and gives back what was reserved for payments that were not made.
func (t *till) close() {
	for i := range t.group.answers {
		a := &t.group.answers[i]
		if a.Err != nil {
			t.desk.refuse(a.Err)
		} else {
			t.desk.metrics.payments.WithLabelValues(a.Outcome.String()).Inc()
		}
		made := a.Err == nil && a.Outcome == chain.OK && a.First || fault.Is(a.Err, fault.Timeout)
		if r := &t.reserved[i]; r.payer != 0 && !made {
			t.desk.caps.release(&r.asset, r.payer, t.payments[i].Amount, t.day)
		}
	}
}
