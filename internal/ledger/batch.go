// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// legRun is a batch as its legs need it.
type legRun struct {
	id          chain.Hash
	records     []byte
	index       uint32 // place in the block
	institution chain.InstitutionNo
	delegated   bool   // signed with a delegated key
	homeVersion uint64 // of a sync batch: that V10 executed its changes under

	tags   [touchLegs]uint32 // of the keys of the keyed legs from leg tagged on
	tagged int
}

// untagged is before any leg whose tags would serve.
const untagged = -touchLegs

// RunBatch executes a client batch whose id is given and whose signature was verified, as line index of the block's header, and
// writes one outcome a leg into codes, which must be as long as the batch. It returns the number of legs that are OK.
//
// A batch that is refused as a whole has that one outcome in all its codes, final is false and nothing changed: its
// sequence is not used up, and the same bytes may execute later. With final true the channel's sequence has advanced, so
// the bytes never execute again.
func (l *Ledger) RunBatch(b chain.Batch, id chain.Hash, index uint32, codes []chain.Outcome) (moved int, final bool) {
	if len(codes) != b.Len() { // not as an argument: that would allocate
		fault.Invariant(false, "%d codes for %d legs", len(codes), b.Len())
	}
	if index >= chain.EntriesPerBlockMax {
		fault.Invariant(false, "a block has no batch %d", index)
	}
	h := b.Header()
	if code := l.admitBatch(&h); code != chain.OK {
		fill(codes, code)
		return 0, false
	}
	sync := h.Flags&chain.FlagSync != 0
	if sync {
		head := b.SyncHead()
		if code := l.admitSync(&h, &head); code != chain.OK {
			fill(codes, code)
			return 0, false
		}
	}
	*l.channels.Mut(channelIndex(h.Institution, h.Channel)) = h.Sequence
	run := legRun{
		id: id, records: b.Records(), index: index, institution: h.Institution,
		delegated: l.keys.Ref(uint64(h.Key)).Kind == ownedByDelegate, tagged: untagged,
	}
	switch {
	case sync:
		run.homeVersion = b.SyncHead().HomeVersion
		moved = l.runSync(b, &run, codes)
	case h.Flags&chain.FlagAtomic != 0:
		moved = l.runAtomic(&run, codes)
	default:
		moved, _ = l.runLegs(&run, codes)
	}
	l.trimKeyed()
	return moved, true
}

// admitBatch says why a batch is refused as a whole, or OK.
func (l *Ledger) admitBatch(h *chain.BatchHeader) chain.Outcome {
	if h.Chain != l.meta.Ref(0).Chain {
		return chain.NotAuthorized
	}
	if !l.institutionExists(h.Institution) {
		return chain.UnknownInstitution
	}
	key, ok := l.activeKey(h.Key)
	switch {
	case !ok:
		return chain.UnknownKey
	case !key.byInstitution() || key.Owner != uint32(h.Institution):
		return chain.NotAuthorized
	}
	if code := l.checkValidity(h.ValidUntil); code != chain.OK {
		return code
	}
	return checkSequence(*l.channels.Ref(channelIndex(h.Institution, h.Channel)), h.Sequence)
}

// runAtomic executes all legs or none.
func (l *Ledger) runAtomic(run *legRun, codes []chain.Outcome) int {
	l.beginJournal()
	moved, failed := l.runLegs(run, codes)
	if failed < 0 {
		l.endJournal()
		return moved
	}
	l.rollBack()
	code := codes[failed]
	fill(codes, chain.BatchAborted)
	codes[failed] = code
	return 0
}

func fill(codes []chain.Outcome, code chain.Outcome) {
	for i := range codes {
		codes[i] = code
	}
}

// runLegs executes legs in order. While a journal is on it stops at the first that fails and returns its place, else
// failed is -1.
func (l *Ledger) runLegs(run *legRun, codes []chain.Outcome) (moved, failed int) {
	records := run.records
	for done := 0; done < len(codes); {
		end := min(done+touchLegs, len(codes))
		l.touch(records[done*chain.LegBytes : end*chain.LegBytes])
		for done < end {
			n := l.runPlain(records[done*chain.LegBytes:end*chain.LegBytes], run.institution)
			fill(codes[done:done+n], chain.OK)
			done, moved = done+n, moved+n
			if done == end {
				break
			}
			leg := chain.ReadLeg(records[done*chain.LegBytes:])
			codes[done] = l.runLeg(&leg, done, run)
			if codes[done] == chain.OK {
				moved++
			} else if l.journal.on {
				return moved, done
			}
			done++
		}
	}
	return moved, -1
}

// runLeg is the slow path of a leg: everything that look does not vouch for.
func (l *Ledger) runLeg(leg *chain.Leg, item int, run *legRun) chain.Outcome {
	switch leg.Kind {
	case chain.LegTransfer:
		return l.runTransferLeg(leg, item, run)
	case chain.LegHold, chain.LegPost, chain.LegVoid:
		if run.delegated {
			return chain.NotAuthorized
		}
		if leg.Kind == chain.LegHold {
			return l.runHoldLeg(leg, item, run)
		}
		return l.runHoldEnd(leg, run.institution)
	}
	return chain.BadKind
}

func (l *Ledger) runTransferLeg(leg *chain.Leg, item int, run *legRun) chain.Outcome {
	switch leg.Arg {
	case 0:
		return l.runMove(leg, item, run)
	case chain.LegKeyed:
		return l.runKeyed(leg, item, run)
	}
	return chain.BadField
}

func (l *Ledger) runHoldLeg(leg *chain.Leg, item int, run *legRun) chain.Outcome {
	if leg.Arg == 0 {
		return chain.BadField
	}
	return l.runMove(leg, item, run)
}

// runMove makes a transfer or a hold whose argument was checked.
func (l *Ledger) runMove(leg *chain.Leg, item int, run *legRun) chain.Outcome {
	if code := l.checkParties(leg.From, leg.To, leg.Asset, leg.Amount); code != chain.OK {
		return code
	}
	switch {
	case l.custodian(leg.From) != run.institution:
		return chain.NotAuthorized
	case leg.Kind == chain.LegHold:
		id := chain.Hash(chain.NewLegID(run.id, uint32(item)))
		return l.makeHold(id, leg.From, leg.To, leg.Asset, leg.Amount, leg.Arg)
	}
	return l.transfer(leg.From, leg.To, leg.Asset, leg.Amount)
}

// runHoldEnd posts or voids. From is who acts: the payer posts, the payee voids. To, the other one, and Asset are the
// hold's or 0.
func (l *Ledger) runHoldEnd(leg *chain.Leg, institution chain.InstitutionNo) chain.Outcome {
	post := leg.Kind == chain.LegPost
	switch {
	case leg.Arg != 0 || !post && !leg.Amount.IsZero():
		return chain.BadField
	case !l.accountExists(leg.From):
		return chain.UnknownAccount
	case l.custodian(leg.From) != institution:
		return chain.NotAuthorized
	}
	id := chain.Hash(leg.Reference)
	_, r, ok := l.pendingHold(id)
	if !ok {
		return chain.HoldUnknown
	}
	other := r.From
	if post {
		other = r.To
	}
	switch {
	case leg.To != 0 && leg.To != other || leg.Asset != 0 && leg.Asset != r.Asset:
		return chain.BadField
	case post:
		return l.post(id, leg.From, leg.Amount)
	}
	return l.void(id, leg.From)
}
