// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// home wants the other ledger to have owned the slot of a name at the record's version of the home table.
func (a *application) home(r *envelope.Record, name string) error {
	slot := a.slotOf(name)
	owned, err := a.homes.other(slot, r.HomeVersion)
	if err == nil && !owned {
		err = fault.Reasoned(fault.Conflict, ReasonNotHome, "slot %d was not the other ledger's at version %d of the home table: it may not debit or issue there",
			slot, r.HomeVersion)
	}
	return err
}

func (a *application) transferred(r *envelope.Record, t *envelope.Transfer) error {
	switch {
	case t.Outcome == chain.NotHome || t.Outcome == chain.Duplicate:
		return nil // it says that another has the last word
	case !t.Fee.IsZero():
		return fault.Reasoned(fault.Refused, ReasonFee, "a fee of %s was charged, and the record does not say who got it", t.Fee)
	}
	if err := a.home(r, t.From); err != nil {
		return err
	}
	if t.Outcome != chain.OK {
		return a.refusedTransfer(t)
	}
	if _, err := a.assetHere(t.Asset); err != nil {
		return err
	}
	if err := a.openMissing(t.To); err != nil {
		return err
	}
	if err := a.mustDebit(t.From, t.Asset, t.Amount); err != nil {
		return err
	}
	return a.credit(t.To, t.Asset, t.Amount)
}

// refusedTransfer opens the payee, as both ledgers do for a payment that is then refused, unless it was refused for the lack of one.
func (a *application) refusedTransfer(t *envelope.Transfer) error {
	if t.Outcome == chain.UnknownAccount || t.Outcome == chain.UnknownAsset {
		return nil
	}
	return a.openMissing(t.To)
}

// mustDebit is debit where the other ledger has debited already.
func (a *application) mustDebit(name, code string, units chain.Amount) error {
	outcome, err := a.debit(name, code, units)
	if err == nil && outcome != chain.OK {
		err = fault.Reasoned(fault.Conflict, ReasonUnderflow, "an account of slot %d has less of %s here than the other ledger debited: a credit is missing, or the ledgers differ",
			a.slotOf(name), code)
	}
	return err
}

func (a *application) assetHere(code string) (asset Asset, err error) {
	err = a.read(store.Assets, named(byName, code), &asset)
	if fault.Is(err, fault.NotFound) {
		err = diverged("asset %s is not here", code)
	}
	return asset, err
}

// opened opens an account; both ledgers may have done that, each for a payment of its own.
func (a *application) opened(o *envelope.AccountOpened) error {
	if o.Outcome != chain.OK {
		return nil
	}
	return a.openMissing(o.Alias)
}

// created makes an asset that is not here.
func (a *application) created(r *envelope.Record, c *envelope.AssetCreated) error {
	if c.Outcome != chain.OK {
		return nil
	}
	key := named(byName, c.Code)
	var is Asset
	switch err := a.read(store.Assets, key, &is); {
	case err == nil && is.Name == c.Name && is.Scale == c.Scale && is.Issuer == c.Issuer:
		return nil // it came from here, or with the copy
	case err == nil:
		return diverged("asset %s is here, and another one", c.Code)
	case !fault.Is(err, fault.NotFound):
		return err
	}
	if err := a.home(r, c.Issuer); err != nil {
		return err
	}
	if err := a.openMissing(c.Issuer); err != nil {
		return err
	}
	a.totals.Assets++
	asset := Asset{Number: a.totals.Assets, Name: c.Name, Scale: c.Scale, Issuer: c.Issuer, Ms: c.ID.Ms}
	a.put(store.Assets, key, encodeRow(asset))
	a.put(store.Assets, numbered(byNumber, asset.Number), []byte(c.Code))
	return nil
}

// supplyOf is the asset of a change of its supply, whose issuer must be the same here.
func (a *application) supplyOf(r *envelope.Record, code, issuer string) (Asset, error) {
	if err := a.home(r, issuer); err != nil {
		return Asset{}, err
	}
	asset, err := a.assetHere(code)
	if err == nil && asset.Issuer != issuer {
		err = diverged("asset %s has another issuer here", code)
	}
	return asset, err
}

func (a *application) issued(r *envelope.Record, i *envelope.Issued) error {
	if i.Outcome != chain.OK {
		return nil
	}
	asset, err := a.supplyOf(r, i.Asset, i.Issuer)
	if err != nil {
		return err
	}
	supply, ok := asset.Supply.Add(i.Amount)
	if !ok {
		return diverged("the supply of %s passes 128 bits", i.Asset)
	}
	if err := a.openMissing(i.To); err != nil {
		return err
	}
	asset.Supply = Units{supply}
	a.put(store.Assets, named(byName, i.Asset), encodeRow(asset))
	return a.credit(i.To, i.Asset, i.Amount)
}

func (a *application) redeemed(r *envelope.Record, d *envelope.Redeemed) error {
	if d.Outcome != chain.OK {
		return nil
	}
	asset, err := a.supplyOf(r, d.Asset, d.Issuer)
	if err != nil {
		return err
	}
	if err := a.mustDebit(d.Issuer, d.Asset, d.Amount); err != nil {
		return err
	}
	supply, ok := asset.Supply.Sub(d.Amount)
	fault.Invariant(ok, "a balance of %s passes its supply", d.Asset)
	asset.Supply = Units{supply}
	a.put(store.Assets, named(byName, d.Asset), encodeRow(asset))
	return nil
}
