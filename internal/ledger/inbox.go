// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
)

// inboxRecord is the one record of section 19: how far the other ledger's changes are applied, and who may bring more.
type inboxRecord struct {
	Ledger      chain.Hash
	Tag         chain.Hash // of the newest change applied; zero: none
	Incarnation [16]byte
	Major       uint64 // position of the newest change applied
	Applied     uint64 // changes, of all lives
	Skipped     uint64
	Barrier     uint64 // the newest
	Round       uint64 // the newest
	Minor       uint32
	Life        uint32 // 0: the inbox was never opened
	Institution chain.InstitutionNo
	Key         chain.KeyNo
}

func (r *inboxRecord) position() chain.SyncPosition {
	return chain.SyncPosition{Major: r.Major, Minor: r.Minor}
}

// admitSync says why a sync batch is refused as a whole, or OK. It comes after admitBatch.
func (l *Ledger) admitSync(h *chain.BatchHeader, head *chain.SyncHead) chain.Outcome {
	in := l.inbox.Ref(0)
	switch {
	case !l.MigrationOpen() || in.Life == 0 || head.Life != in.Life || h.Institution != in.Institution || h.Key != in.Key:
		return chain.InboxClosed
	case head.Previous != in.position():
		return chain.InboxElsewhere
	case head.HomeVersion == 0 || head.HomeVersion > l.meta.Ref(0).HomeVersion:
		return chain.NotHome
	}
	return chain.OK
}

// runSync applies changes in order, up to the first that cannot be. That one has the outcome that says why, and those behind it
// InboxHeld: nothing overtakes it, because what it withholds, a credit, may be what they spend. Both legs of a change have its
// outcome. moved counts the changes of money.
func (l *Ledger) runSync(b chain.Batch, run *legRun, codes []chain.Outcome) (moved int) {
	for i := 0; i < len(codes); i += chain.SyncRecordLegs {
		leg, second := b.Leg(i), b.Leg(i+1)
		code := l.runChange(&leg, &second, i, run)
		codes[i], codes[i+1] = code, code
		if code != chain.OK {
			fill(codes[i+chain.SyncRecordLegs:], chain.InboxHeld)
			return moved
		}
		switch leg.Kind {
		case chain.LegTransfer, chain.LegIssue, chain.LegRedeem:
			moved++
		}
	}
	return moved
}

// runChange applies one change, and then notes that it did.
func (l *Ledger) runChange(leg, second *chain.Leg, item int, run *legRun) chain.Outcome {
	o, ok := second.Origin()
	in := l.inbox.Ref(0)
	if !ok || !in.position().Before(o.Position) || !o.Outcome.Known() || !outcomeFits(leg.Kind, o.Outcome) {
		return chain.BadOrigin
	}
	if in.copying() && o.Position.Major > 0 && !chain.EndsCopy(leg, &o) {
		return chain.BadOrigin // V10's later changes are behind the whole copy
	}
	if code := l.applyChange(leg, &o, item, run); code != chain.OK {
		return code
	}
	to := l.inbox.Mut(0)
	to.Major, to.Minor, to.Tag = o.Position.Major, o.Position.Minor, o.Tag
	to.Applied++
	switch leg.Kind {
	case chain.LegBarrier:
		to.Barrier = leg.Amount.Lo
	case chain.LegRound:
		to.Round = leg.Amount.Lo
	}
	return chain.OK
}

// outcomeFits reports whether V10 may have given an outcome to what a change says.
func outcomeFits(k chain.LegKind, o chain.Outcome) bool {
	switch k {
	case chain.LegRefused:
		return o != chain.OK
	case chain.LegNoted:
		return true
	}
	return o == chain.OK
}

// applyChange makes a change, or says why it cannot be made, and then has changed nothing.
func (l *Ledger) applyChange(leg *chain.Leg, o *chain.SyncOrigin, item int, run *legRun) chain.Outcome {
	switch leg.Kind {
	case chain.LegTransfer:
		return l.applyTransfer(leg, item, run)
	case chain.LegRefused:
		return l.applyRefusal(leg, o, item, run)
	case chain.LegIssue:
		return l.applyIssue(leg, run)
	case chain.LegRedeem:
		return l.applyRedeem(leg, run)
	case chain.LegOpened:
		return l.confirmAccount(leg, run)
	case chain.LegAsset:
		return l.confirmAsset(leg)
	case chain.LegRound, chain.LegBarrier:
		return l.confirmMark(leg)
	case chain.LegOpen, chain.LegChunk, chain.LegNoted:
		return l.applyCopied(leg, o, item, run)
	}
	return chain.BadKind
}

// applyTransfer makes a transfer that V10 executed. V10's word counts for what V10 may decide, funds and freezes of the payer: it
// was the home, and paid already. That the money is not here means that the two ledgers are not equal, and a person must look.
func (l *Ledger) applyTransfer(leg *chain.Leg, item int, run *legRun) chain.Outcome {
	if leg.Arg != 0 && leg.Arg != chain.LegKeyed {
		return chain.BadField
	}
	if code := l.checkParties(leg.From, leg.To, leg.Asset, leg.Amount); code != chain.OK {
		return code
	}
	if code := l.checkReplica(leg.From, leg.Asset, run); code != chain.OK {
		return code
	}
	if code := l.checkFresh(leg, run); code != chain.OK {
		return code
	}
	if code := l.creditable(leg.To, leg.Asset, leg.Amount); code != chain.OK {
		return code
	}
	if code := l.take(leg.From, leg.Asset, leg.Amount); code != chain.OK {
		return code
	}
	l.credit(leg.To, leg.Asset, leg.Amount)
	l.noteKeyed(leg, item, run, chain.OK)
	return chain.OK
}

// applyRefusal remembers under its key what V10 refused for good: a repeat that comes here after its home moved is told the same.
func (l *Ledger) applyRefusal(leg *chain.Leg, o *chain.SyncOrigin, item int, run *legRun) chain.Outcome {
	switch {
	case leg.Arg != 0 && leg.Arg != chain.LegKeyed:
		return chain.BadField
	case o.Outcome == chain.NotHome || o.Outcome == chain.Duplicate:
		return chain.BadOrigin // no last word
	}
	if code := l.checkFresh(leg, run); code != chain.OK {
		return code
	}
	l.noteKeyed(leg, item, run, o.Outcome)
	return chain.OK
}

// changeKey is the idempotency key of a change; false: it has none.
func changeKey(leg *chain.Leg) (chain.IdempotencyKey, bool) {
	return chain.IdempotencyKey(leg.Reference[:16]), leg.Arg == chain.LegKeyed
}

// checkFresh says Diverged if the change's key was used here: one of the two ledgers executed what the other had.
func (l *Ledger) checkFresh(leg *chain.Leg, run *legRun) chain.Outcome {
	key, keyed := changeKey(leg)
	if !keyed {
		return chain.OK
	}
	if key.IsZero() {
		return chain.BadField
	}
	if _, found := l.findKeyed(l.keyedTable.tag(run.institution, key), run.institution, key); found {
		return chain.Diverged
	}
	return chain.OK
}

func (l *Ledger) noteKeyed(leg *chain.Leg, item int, run *legRun, code chain.Outcome) {
	key, keyed := changeKey(leg)
	if !keyed {
		return
	}
	m := l.meta.Ref(0)
	l.recordKeyed(l.keyedTable.tag(run.institution, key), keyedRecord{
		Key: key, Institution: run.institution, Item: uint16(item), Index: uint8(run.index), Outcome: code, Height: m.Height, TimeUs: m.TimeUs,
	})
}

// checkReplica says why V10 may not have debited an account in an asset, or OK: the account is in the custody of who brings the
// changes, and V10 was its home when it executed the debit, and is since. A slot that V10 gave away moved only when all that lies before
// its fence was applied, so whatever it debits there afterwards is refused.
func (l *Ledger) checkReplica(account chain.AccountNo, asset chain.AssetNo, run *legRun) chain.Outcome {
	switch {
	case l.custodian(account) != run.institution:
		return chain.NotAuthorized
	case !l.away(account, asset) || !l.ownedSince(l.accounts.Ref(uint64(account)).Slot, run.homeVersion):
		return chain.NotHome
	}
	return chain.OK
}

// applyIssue makes new units that V10 made.
func (l *Ledger) applyIssue(leg *chain.Leg, run *legRun) chain.Outcome {
	if code := l.checkIssuer(leg, run); code != chain.OK {
		return code
	}
	if !l.accountExists(leg.To) {
		return chain.UnknownAccount
	}
	return l.issue(leg.To, leg.Asset, leg.Amount)
}

// applyRedeem takes units out of circulation that V10 took.
func (l *Ledger) applyRedeem(leg *chain.Leg, run *legRun) chain.Outcome {
	if code := l.checkIssuer(leg, run); code != chain.OK {
		return code
	}
	if code := l.take(leg.From, leg.Asset, leg.Amount); code != chain.OK {
		return code
	}
	r := l.assets.Mut(uint64(leg.Asset))
	r.Supply, _ = r.Supply.Sub(leg.Amount) // no holding is larger than the supply
	l.sums.Redeemed = wrapAdd(l.sums.Redeemed, leg.Amount)
	return chain.OK
}

// checkIssuer says why V10 may not have changed an asset's supply, or OK: an asset's home is its issuer's.
func (l *Ledger) checkIssuer(leg *chain.Leg, run *legRun) chain.Outcome {
	switch {
	case leg.Arg != 0 || leg.Amount.IsZero():
		return chain.BadField
	case !l.accountExists(leg.From):
		return chain.UnknownAccount
	case !l.assetExists(leg.Asset):
		return chain.UnknownAsset
	case l.assets.Ref(uint64(leg.Asset)).Issuer != leg.From:
		return chain.NotAuthorized
	case leg.Kind == chain.LegIssue && l.inbox.Ref(0).copying(): // V10 was the home of all that is copied
		if l.custodian(leg.From) != run.institution {
			return chain.NotAuthorized
		}
		return chain.OK
	}
	return l.checkReplica(leg.From, leg.Asset, run)
}

// confirmAccount wants an account of V10's to be here, in the same custody.
func (l *Ledger) confirmAccount(leg *chain.Leg, run *legRun) chain.Outcome {
	alias := l.findAlias(chain.Hash(leg.Reference))
	switch {
	case alias == 0:
		return chain.UnknownAccount
	case l.custodian(l.aliases.Ref(uint64(alias)).Account) != run.institution:
		return chain.Diverged
	}
	return chain.OK
}

// confirmAsset wants an asset of V10's to be here as it is there.
func (l *Ledger) confirmAsset(leg *chain.Leg) chain.Outcome {
	if !l.assetExists(leg.Asset) {
		return chain.UnknownAsset
	}
	if a := l.assets.Ref(uint64(leg.Asset)); a.Issuer != leg.From || uint32(a.Scale) != leg.Arg || a.Flags&chain.AssetPortable == 0 {
		return chain.Diverged
	}
	return chain.OK
}

// confirmMark wants rounds and barriers to ascend.
func (l *Ledger) confirmMark(leg *chain.Leg) chain.Outcome {
	in := l.inbox.Ref(0)
	before := in.Round
	if leg.Kind == chain.LegBarrier {
		before = in.Barrier
	}
	if leg.Amount.Hi != 0 || leg.Amount.Lo <= before {
		return chain.Diverged
	}
	return chain.OK
}
