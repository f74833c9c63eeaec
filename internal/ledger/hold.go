// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// holdRecord is a pending hold at its slot; a slot without one is all zero.
type holdRecord struct {
	ID      chain.Hash
	From    chain.AccountNo
	To      chain.AccountNo
	Asset   chain.AssetNo
	State   uint32
	Expires chain.Height
	Amount  chain.Amount
}

// holdPending is the one state of a hold: those that ended leave no record.
const holdPending = 1

func (l *Ledger) expiresBefore(a, b uint32) bool {
	x, y := l.holds.Ref(uint64(a)).Expires, l.holds.Ref(uint64(b)).Expires
	return x < y || x == y && a < b
}

// makeHold moves amount from its payer into escrow. The caller has checked the parties and the authority.
func (l *Ledger) makeHold(id chain.Hash, from, to chain.AccountNo, asset chain.AssetNo, amount chain.Amount, blocks uint32) chain.Outcome {
	_, taken := l.holdByID[id]
	switch {
	case taken: // two ids of 28 or more equal hash bytes
		return chain.BadField
	case l.boundToPortable(asset):
		return chain.NotPortable
	case l.meta.Ref(0).HoldsPending >= HoldsMax:
		return chain.LimitReached
	}
	if code := l.transfer(from, Escrow, asset, amount); code != chain.OK {
		return code
	}
	l.occupyHold(l.freeHoldSlot(), holdRecord{
		ID: id, From: from, To: to, Asset: asset, State: holdPending,
		Expires: l.meta.Ref(0).Height + chain.Height(blocks), Amount: amount,
	})
	return chain.OK
}

// freeHoldSlot takes the lowest slot without a hold, so that where a hold lies does not depend on how the free slots
// came to be.
func (l *Ledger) freeHoldSlot() uint32 {
	m := l.meta.Mut(0)
	slot, ok := l.holdsFree.min()
	if !ok {
		slot = m.HoldSlots
	}
	if l.journal.on {
		l.journal.holdMade(slot, m.HoldSlots)
	}
	if ok {
		l.holdsFree.remove(slot)
	} else {
		m.HoldSlots++
	}
	return slot
}

func (l *Ledger) occupyHold(slot uint32, r holdRecord) {
	l.meta.Mut(0).HoldsPending++
	*l.holds.Mut(uint64(slot)) = r
	l.holdByID[r.ID] = slot
	l.holdsExpiring.push(slot)
}

func (l *Ledger) vacateHold(slot uint32) {
	l.holdsExpiring.remove(slot)
	r := l.holds.Mut(uint64(slot))
	delete(l.holdByID, r.ID)
	*r = holdRecord{}
	l.meta.Mut(0).HoldsPending--
}

// unmakeHold undoes freeHoldSlot, before which the high-water mark was slots, and occupyHold.
func (l *Ledger) unmakeHold(slot, slots uint32) {
	l.vacateHold(slot)
	if slot == slots {
		l.meta.Mut(0).HoldSlots = slots
		return
	}
	l.holdsFree.push(slot)
}

// reviveHold undoes endHold's change of the slot; the money is undone by its own entries.
func (l *Ledger) reviveHold(slot uint32, r holdRecord) {
	l.holdsFree.remove(slot)
	l.occupyHold(slot, r)
}

// endHold pays amount of a hold to its payee and the rest back to its payer. The caller has checked everything.
func (l *Ledger) endHold(slot uint32, amount chain.Amount) {
	r := *l.holds.Ref(uint64(slot))
	if l.journal.on {
		l.journal.holdEnded(slot, &r)
	}
	l.vacateHold(slot)
	l.holdsFree.push(slot)
	if code := l.debit(Escrow, r.Asset, r.Amount); code != chain.OK {
		fault.Invariant(false, "hold %d of asset %d is not covered by escrow: %v", slot, r.Asset, code)
	}
	if !amount.IsZero() {
		l.credit(r.To, r.Asset, amount)
	}
	if rest, _ := r.Amount.Sub(amount); !rest.IsZero() {
		l.credit(r.From, r.Asset, rest)
	}
}

// pendingHold finds a hold that can still be posted or voided. One whose height has come is gone, even while it waits
// for its turn to be given back.
func (l *Ledger) pendingHold(id chain.Hash) (slot uint32, r *holdRecord, ok bool) {
	slot, ok = l.holdByID[id]
	if !ok {
		return 0, nil, false
	}
	r = l.holds.Ref(uint64(slot))
	return slot, r, r.Expires > l.meta.Ref(0).Height
}

// post pays a hold out on behalf of payer. A post is the payer's late debit: what would stop that stops it too.
func (l *Ledger) post(id chain.Hash, payer chain.AccountNo, amount chain.Amount) chain.Outcome {
	slot, r, ok := l.pendingHold(id)
	switch {
	case !ok:
		return chain.HoldUnknown
	case r.From != payer:
		return chain.NotAuthorized
	case r.Amount.Less(amount):
		return chain.HoldAmount
	case amount.IsZero():
		amount = r.Amount
	}
	if code := l.creditable(r.To, r.Asset, amount); code != chain.OK {
		return code
	}
	if code := l.debitable(r.From, r.Asset); code != chain.OK {
		return code
	}
	l.endHold(slot, amount)
	return chain.OK
}

// void gives a hold back on behalf of payee. Nothing stops it: it returns money to where it came from.
func (l *Ledger) void(id chain.Hash, payee chain.AccountNo) chain.Outcome {
	slot, r, ok := l.pendingHold(id)
	switch {
	case !ok:
		return chain.HoldUnknown
	case r.To != payee:
		return chain.NotAuthorized
	}
	l.endHold(slot, chain.Amount{})
	return chain.OK
}

// expireHolds gives back the holds whose height has come, by (expiry, slot), at most HoldExpiriesPerBlockMax.
func (l *Ledger) expireHolds(now chain.Height) {
	for range HoldExpiriesPerBlockMax {
		slot, ok := l.holdsExpiring.min()
		if !ok || l.holds.Ref(uint64(slot)).Expires > now {
			return
		}
		l.endHold(slot, chain.Amount{})
	}
}
