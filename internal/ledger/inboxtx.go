// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/aurigraph/aurigraph/internal/chain"

// runOpenInbox opens the inbox for a life of V10, or gives it another signer.
func (l *Ledger) runOpenInbox(who actor, b *chain.OpenInbox) chain.Outcome {
	in := *l.inbox.Ref(0)
	key, ok := l.activeKey(b.Key)
	switch {
	case !who.governs():
		return chain.NotAuthorized
	case b.Life == 0 || b.Ledger.IsZero():
		return chain.BadField
	case !l.MigrationOpen(): // it is over, or never began
		return chain.InboxClosed
	case !l.institutionExists(b.Institution):
		return chain.UnknownInstitution
	case !ok:
		return chain.UnknownKey
	case !key.byInstitution() || key.Owner != uint32(b.Institution):
		return chain.NotAuthorized
	}
	next := in
	next.Institution, next.Key = b.Institution, b.Key
	switch {
	case b.Life == in.Life:
		if b.Ledger != in.Ledger || b.Incarnation != in.Incarnation || b.Position != in.position() || b.Tag != in.Tag || b.Institution != in.Institution {
			return chain.InboxElsewhere
		}
	case b.Life != in.Life+1 || in.Life != 0 && b.Ledger != in.Ledger:
		return chain.InboxElsewhere
	default: // rounds and barriers of a life that was restored from a copy are made again
		next.Ledger, next.Incarnation, next.Life, next.Tag = b.Ledger, b.Incarnation, b.Life, b.Tag
		next.Major, next.Minor = b.Position.Major, b.Position.Minor
		next.Barrier, next.Round = 0, 0
	}
	*l.inbox.Mut(0) = next
	return chain.OK
}

// runSkipSync passes over one change, which a person answers for.
func (l *Ledger) runSkipSync(who actor, b *chain.SkipSync) chain.Outcome {
	in := l.inbox.Ref(0)
	switch {
	case !who.governs():
		return chain.NotAuthorized
	case !l.MigrationOpen() || in.Life == 0 || b.Life != in.Life:
		return chain.InboxClosed
	case !in.position().Before(b.Position):
		return chain.InboxElsewhere
	}
	to := l.inbox.Mut(0)
	to.Major, to.Minor, to.Tag = b.Position.Major, b.Position.Minor, b.Tag
	to.Skipped++
	if b.Slot != chain.SlotNone {
		l.freezeSlot(b.Slot, true)
	}
	return chain.OK
}

func (l *Ledger) runFreezeSlot(who actor, b *chain.FreezeSlot) chain.Outcome {
	switch {
	case !who.governs():
		return chain.NotAuthorized
	case b.Slot == chain.SlotNone:
		return chain.BadField
	}
	l.freezeSlot(b.Slot, b.Frozen)
	return chain.OK
}

func (l *Ledger) freezeSlot(slot uint16, frozen bool) {
	word := l.frozenSlots.Mut(uint64(slot / 64))
	if *word &^= 1 << (slot % 64); frozen {
		*word |= 1 << (slot % 64)
	}
}

// InboxView is how far the other ledger's changes are applied, and who may bring more.
type InboxView struct {
	Life        uint32 // 0: the inbox was never opened
	Ledger      chain.Hash
	Incarnation [16]byte
	Institution chain.InstitutionNo
	Key         chain.KeyNo
	Position    chain.SyncPosition // of the newest change applied or skipped
	Tag         chain.Hash
	Applied     uint64 // changes
	Skipped     uint64
	Barrier     uint64 // the newest
	Round       uint64
}

// Inbox returns the inbox.
func (l *Ledger) Inbox() InboxView {
	r := l.inbox.Ref(0)
	return InboxView{
		Life: r.Life, Ledger: r.Ledger, Incarnation: r.Incarnation, Institution: r.Institution, Key: r.Key, Position: r.position(), Tag: r.Tag,
		Applied: r.Applied, Skipped: r.Skipped, Barrier: r.Barrier, Round: r.Round,
	}
}

// SlotFrozen reports whether nobody may debit a slot's accounts here.
func (l *Ledger) SlotFrozen(slot uint16) bool {
	return *l.frozenSlots.Ref(uint64(slot / 64))>>(slot%64)&1 != 0
}

// attachInbox checks the inbox.
func (l *Ledger) attachInbox() error {
	r := *l.inbox.Ref(0)
	switch {
	case r.Life == 0 && r != (inboxRecord{}):
		return corrupt("the inbox was never opened, and is at %d", r.Major)
	case r.Life != 0 && (r.Ledger.IsZero() || !l.institutionExists(r.Institution) || uint32(r.Key) == 0 || uint32(r.Key) > l.meta.Ref(0).Keys):
		return corrupt("the inbox is open for key %d of institution %d", r.Key, r.Institution)
	}
	return nil
}
