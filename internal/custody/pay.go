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
	parties  []parties // of look
	group    *group
	requests []*request // of those that can be sent
	reserved []reserved // nil: no asset paid so far has a cap by day
	day      int64
	homes    Homes // nil: not known
}

// reserved is what is counted for a payment against its payer's cap of the day. No payer: nothing is.
type reserved struct {
	payer chain.AccountNo
	asset Asset
}

func newTill(d *Desk, ps []Payment) *till {
	return &till{desk: d, payments: ps, group: newGroup(len(ps)), day: today()}
}

// prepare makes a request of each payment, or answers it.
func (t *till) prepare(ctx context.Context) {
	if len(t.payments) == 0 {
		close(t.group.done)
		return
	}
	t.homes = t.desk.homes.now(ctx)
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
	entry
	fresh bool // it was opened for this
	err   error
}

// parties are a payment's accounts, none where the name is not in memory.
type parties struct{ from, to entry }

// look finds every name of the call, and opens those payees that nobody knows, many at once. What is in memory needs no place of its
// own: of a batch that is all, and it is the hottest loop of the desk.
func (t *till) look(ctx context.Context) map[string]*looked {
	t.parties = make([]parties, len(t.payments))
	found := map[string]*looked{}
	d := t.desk.directory
	for i := range t.payments {
		t.parties[i] = parties{from: d.place(t.payments[i].From, found), to: d.place(t.payments[i].To, found)}
	}
	d.findAll(ctx, found)
	t.literal(ctx, found)
	t.open(ctx, found)
	return found
}

// literal finds the payees that are nobody's V10 name by the address that they read as. While V10 may be a home again such a name would be
// an account there, and here another.
func (t *till) literal(ctx context.Context, found map[string]*looked) {
	if t.homes == nil || t.homes.Migrating() {
		return
	}
	var all errgroup.Group
	all.SetLimit(lookupsAtOnce)
	asked := map[*looked]bool{}
	for i := range t.payments {
		to := found[t.payments[i].To]
		if t.parties[i].to.no != 0 || asked[to] || fault.ReasonOf(to.err) != reasonNoAccount {
			continue
		}
		asked[to] = true
		all.Go(func() error {
			to.entry, to.err = t.desk.directory.findLiteral(ctx, t.payments[i].To, to.err)
			return nil
		})
	}
	_ = all.Wait() // every error is in its place
}

// party is what was found under a name of a payment.
func party(e entry, name string, found map[string]*looked) looked {
	if e.no != 0 {
		return looked{entry: e}
	}
	return *found[name]
}

// open opens the payees that nobody knows, of payers whom somebody knows.
func (t *till) open(ctx context.Context, found map[string]*looked) {
	var unknown []string
	listed := map[string]bool{}
	for i := range t.payments {
		p := &t.payments[i]
		if t.parties[i].to.no != 0 || fault.ReasonOf(found[p.To].err) != reasonNoAccount {
			continue
		}
		from := party(t.parties[i].from, p.From, found)
		if from.err == nil && t.check(p) == nil && !listed[p.To] && !t.away(ctx, p, &from) {
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
	from, to := party(t.parties[i].from, p.From, found), party(t.parties[i].to, p.To, found)
	switch {
	case t.away(ctx, p, &from):
		return leg, t.desk.errNotHome()
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
	if t.desk.caps.byDay(&asset) {
		if t.reserved == nil {
			t.reserved = make([]reserved, len(t.payments))
		}
		t.reserved[i] = reserved{from.no, asset}
	}
	return legOf(p, from.no, to.no, asset.Number), nil
}

// away reports whether only V10 may make a payment. What cannot be looked up now is not away: the ledger has the last word.
func (t *till) away(ctx context.Context, p *Payment, from *looked) bool {
	if t.homes == nil || !t.homes.Any() || !t.desk.away(from, t.homes, p.From) {
		return false
	}
	portable, err := t.desk.portable(ctx, p.Asset)
	return err == nil && portable
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
	certified := map[chain.Outcome]int{}
	for i := range t.group.answers {
		a := &t.group.answers[i]
		if a.Err == nil && a.Outcome == chain.NotHome {
			*a = Answer{Err: t.desk.movedAway()}
		}
		if a.Err != nil {
			t.desk.refuse(a.Err)
		} else {
			certified[a.Outcome]++
		}
		made := a.Err == nil && a.Outcome == chain.OK && a.First || fault.Is(a.Err, fault.Timeout)
		if t.reserved == nil || made || t.reserved[i].payer == 0 {
			continue
		}
		t.desk.caps.release(&t.reserved[i].asset, t.reserved[i].payer, t.payments[i].Amount, t.day)
	}
	for outcome, n := range certified {
		t.desk.metrics.payments.WithLabelValues(outcome.String()).Add(float64(n))
	}
}
