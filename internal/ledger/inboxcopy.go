// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/aurigraph/aurigraph/internal/chain"

// copying reports whether the initial copy of V10 is under way.
func (r *inboxRecord) copying() bool { return r.Life != 0 && r.position().Copying() }

// applyCopied makes a change that only the initial copy of V10 has.
func (l *Ledger) applyCopied(leg *chain.Leg, o *chain.SyncOrigin, item int, run *legRun) chain.Outcome {
	if !l.inbox.Ref(0).copying() {
		return chain.BadKind
	}
	switch leg.Kind {
	case chain.LegOpen:
		return l.openCopied(leg, run)
	case chain.LegNoted:
		return l.noteCopied(leg, o, item, run)
	}
	if _, ok := leg.Chunk(); !ok { // the order of the chain is all that is made of it
		return chain.BadField
	}
	return chain.OK
}

// openCopied opens an account of V10's in the custody of who brings the changes. Its number must be the one that the copy counted on,
// because later changes name it by that.
func (l *Ledger) openCopied(leg *chain.Leg, run *legRun) chain.Outcome {
	a, ok := leg.Opens()
	if !ok || a.Tag.IsZero() {
		return chain.BadField
	}
	o := opening{custodian: run.institution, alias: a.Tag, address: a.Address, slot: a.Slot}
	if code := l.check(&o); code != chain.OK {
		return code
	}
	if uint32(a.Number) != l.meta.Ref(0).Accounts+1 {
		return chain.Diverged
	}
	l.open(o, 0)
	return chain.OK
}

// noteCopied remembers what V10 answered under a key: a repeat that comes here after its home moved is told the same.
func (l *Ledger) noteCopied(leg *chain.Leg, o *chain.SyncOrigin, item int, run *legRun) chain.Outcome {
	switch {
	case leg.Arg != chain.LegKeyed:
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
