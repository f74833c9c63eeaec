// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// execute carries out one order in a round. An order that names what does not exist is refused without a trace (err);
// any other refusal is an outcome. What an error leaves in the view, if it is of the store, is never written.
func (r *rounding) execute(o *Order) (chain.Outcome, error) {
	switch o.Kind {
	case Transfer:
		return r.transfer(o)
	case OpenAccount:
		return r.openNew(o)
	case CreateAsset:
		return r.create(o)
	case Issue:
		return r.issue(o)
	default:
		return r.redeem(o)
	}
}

// The refusals that leave no trace.
var (
	errNoAccount = fault.Reasoned(fault.NotFound, "unknown_account", v10.TextNoAccount)
	errNoAsset   = fault.Reasoned(fault.NotFound, "unknown_asset", v10.TextNoAsset)
)

func (r *rounding) transfer(o *Order) (chain.Outcome, error) {
	known, err := r.has(store.Accounts, named(byName, o.From))
	if err != nil {
		return 0, err
	}
	if !known {
		return 0, errNoAccount
	}
	if known, err = r.has(store.Assets, named(byName, o.Asset)); err != nil {
		return 0, err
	}
	if !known {
		return 0, errNoAsset
	}
	// Paying a name opens it, whether or not the payment is then refused.
	if err := r.openMissing(o.To); err != nil {
		return 0, err
	}
	if outcome, err := r.debit(o.From, o.Asset, o.Units); err != nil || outcome != chain.OK {
		return outcome, err
	}
	return chain.OK, r.credit(o.To, o.Asset, o.Units)
}

func (r *rounding) debit(name, code string, a chain.Amount) (chain.Outcome, error) {
	has, held, err := r.balance(name, code)
	if err != nil {
		return 0, err
	}
	left, ok := has.Sub(a)
	if !ok {
		return chain.InsufficientFunds, nil
	}
	r.setBalance(name, code, left, held)
	return chain.OK, nil
}

// credit cannot pass 128 bits: a balance is a part of a supply, which issue keeps below.
func (r *rounding) credit(name, code string, a chain.Amount) error {
	has, held, err := r.balance(name, code)
	if err != nil {
		return err
	}
	sum, ok := has.Add(a)
	fault.Invariant(ok, "the balances of %s pass its supply", code)
	r.setBalance(name, code, sum, held)
	return nil
}

func (r *rounding) openNew(o *Order) (chain.Outcome, error) {
	known, err := r.has(store.Accounts, named(byName, o.To))
	if err != nil {
		return 0, err
	}
	if known {
		return chain.AliasTaken, nil
	}
	r.openAs(o.To)
	return chain.OK, nil
}

func (r *rounding) openMissing(name string) error {
	known, err := r.has(store.Accounts, named(byName, name))
	if err == nil && !known {
		r.openAs(name)
	}
	return err
}

func (r *rounding) openAs(name string) {
	r.totals.Accounts++
	a := Account{Number: r.totals.Accounts, Ms: r.totals.Ms}
	r.put(store.Accounts, named(byName, name), encodeRow(a))
	r.put(store.Accounts, numbered(byNumber, a.Number), []byte(name))
}

func (r *rounding) create(o *Order) (chain.Outcome, error) {
	key := named(byName, o.Asset)
	taken, err := r.has(store.Assets, key)
	if err != nil {
		return 0, err
	}
	if taken {
		return chain.CodeTaken, nil
	}
	known, err := r.has(store.Accounts, named(byName, o.From))
	if err != nil {
		return 0, err
	}
	if !known {
		return 0, errNoAccount
	}
	r.totals.Assets++
	a := Asset{Number: r.totals.Assets, Name: o.Title, Scale: o.Scale, Issuer: o.From, Ms: r.totals.Ms}
	r.put(store.Assets, key, encodeRow(a))
	r.put(store.Assets, numbered(byNumber, a.Number), []byte(o.Asset))
	return chain.OK, nil
}

func (r *rounding) issue(o *Order) (chain.Outcome, error) {
	a, outcome, err := r.issuedBy(o)
	if err != nil || outcome != chain.OK {
		return outcome, err
	}
	supply, ok := a.Supply.Add(o.Units)
	if !ok {
		return chain.Overflow, nil
	}
	if err := r.openMissing(o.To); err != nil {
		return 0, err
	}
	a.Supply = Units{supply}
	r.put(store.Assets, named(byName, o.Asset), encodeRow(a))
	return chain.OK, r.credit(o.To, o.Asset, o.Units)
}

func (r *rounding) redeem(o *Order) (chain.Outcome, error) {
	a, outcome, err := r.issuedBy(o)
	if err != nil || outcome != chain.OK {
		return outcome, err
	}
	if outcome, err := r.debit(o.From, o.Asset, o.Units); err != nil || outcome != chain.OK {
		return outcome, err
	}
	supply, ok := a.Supply.Sub(o.Units)
	fault.Invariant(ok, "a balance of %s passes its supply", o.Asset)
	a.Supply = Units{supply}
	r.put(store.Assets, named(byName, o.Asset), encodeRow(a))
	return chain.OK, nil
}

// issuedBy returns the asset if From is its issuer.
func (r *rounding) issuedBy(o *Order) (a Asset, outcome chain.Outcome, err error) {
	err = r.read(store.Assets, named(byName, o.Asset), &a)
	switch {
	case fault.Is(err, fault.NotFound):
		return a, 0, errNoAsset
	case err == nil && a.Issuer != o.From:
		return a, chain.NotAuthorized, nil
	}
	return a, chain.OK, err
}
