// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// moverRecord is the one record of section 21: who may move slots, and whose fences count.
type moverRecord struct {
	Guard [chain.Ed25519KeyBytes]byte
	Mover chain.KeyNo
}

// homeMoveRecord is how a version of the home table was made: record n of section 22 made version n + 2, because the genesis made 1.
type homeMoveRecord struct {
	Tx     chain.Hash
	Height chain.Height
}

// mayMove reports whether the actor may move slots: governance may, and who holds the mover's key.
func (l *Ledger) mayMove(who actor) bool {
	mover := l.mover.Ref(0).Mover
	return who.governs() && !who.delegated || mover != 0 && who.key == mover
}

// runSetMover names who moves slots, and the guard.
func (l *Ledger) runSetMover(who actor, b *chain.SetMover) chain.Outcome {
	if !who.governs() {
		return chain.NotAuthorized
	}
	if b.Mover != 0 {
		switch key, ok := l.activeKey(b.Mover); {
		case !ok:
			return chain.UnknownKey
		case !key.byInstitution():
			return chain.NotAuthorized
		}
	}
	*l.mover.Mut(0) = moverRecord{Guard: b.Guard, Mover: b.Mover}
	return chain.OK
}

// runMoveSlots gives slots to the other side. It is the one place where a transaction changes a home: compare-and-set on the version of the
// whole table, not of the slots, so that a fence never outlives a move (docs/move-model.md).
func (l *Ledger) runMoveSlots(who actor, b *chain.MoveSlots, id chain.Hash) chain.Outcome {
	if code := l.checkMove(who, b.HomeVersion, b.Slots, b.ToV11); code != chain.OK {
		return code
	}
	if b.ToV11 {
		if code := l.checkFence(b); code != chain.OK {
			return code
		}
	}
	version := l.nextHome(id)
	for _, r := range b.Slots {
		for slot := uint32(r.From); slot <= uint32(r.To); slot++ {
			l.setHome(uint16(slot), !b.ToV11)
			*l.slotSince.Mut(uint64(slot)) = version
		}
	}
	return chain.OK
}

// runAbortMove makes all fences stale and moves nothing.
func (l *Ledger) runAbortMove(who actor, b *chain.AbortMove, id chain.Hash) chain.Outcome {
	if code := l.checkMove(who, b.HomeVersion, b.Slots, true); code != chain.OK {
		return code
	}
	l.nextHome(id)
	return chain.OK
}

// checkMove says why slots, all of them V10's or all V11's, may not be moved at a version, or OK.
func (l *Ledger) checkMove(who actor, version uint64, slots []chain.SlotRange, ofV10 bool) chain.Outcome {
	m := l.meta.Ref(0)
	switch {
	case !l.mayMove(who):
		return chain.NotAuthorized
	case chain.CheckRanges(slots) != nil:
		return chain.BadField
	case !l.MigrationOpen():
		return chain.InboxClosed
	case version != m.HomeVersion:
		return chain.HomesMoved
	case m.HomeVersion-genesisHomeVersion >= chain.HomeMovesMax-1: // the last is the close's
		return chain.LimitReached
	}
	for _, r := range slots {
		for slot := uint32(r.From); slot <= uint32(r.To); slot++ {
			switch {
			case l.ownedByV10(uint16(slot)) != ofV10:
				return chain.NotHome
			case l.SlotFrozen(uint16(slot)): // a person looks first
				return chain.FrozenSlot
			}
		}
	}
	return chain.OK
}

// checkFence says why a fence does not allow a move, or OK: the guard's word for it, and everything of V10's up to it is here.
func (l *Ledger) checkFence(b *chain.MoveSlots) chain.Outcome {
	in, guard := l.inbox.Ref(0), l.mover.Ref(0).Guard
	f := chain.Fence{Incarnation: in.Incarnation, HomeVersion: b.HomeVersion, Slots: b.Slots, Position: b.Position}
	switch {
	case in.Life == 0:
		return chain.InboxClosed
	case !signedBy(guard, keys.FenceMessage(l.meta.Ref(0).Chain, codec.FenceHash(&f)), b.Fence):
		return chain.BadFence
	case in.copying() || in.position().Before(b.Position):
		return chain.SyncBehind
	}
	return chain.OK
}

func signedBy(key [chain.Ed25519KeyBytes]byte, msg, signature []byte) bool {
	public, err := keys.ParsePublic(append([]byte{byte(keys.Ed25519)}, key[:]...))
	if err != nil {
		return false
	}
	v, err := keys.NewVerifier(public)
	return err == nil && v.Verify(msg, signature)
}

// mayReturn says why a seal cannot give V10 all slots, or nil.
func (l *Ledger) mayReturn() error {
	switch m := l.meta.Ref(0); {
	case !l.MigrationOpen():
		return fault.Reasoned(fault.Conflict, chain.ReasonNoWayBack, "the migration is over or never began, so no slot can become V10's: seal without that verdict")
	case m.HomeVersion-genesisHomeVersion >= chain.HomeMovesMax-1: // the last is the close's
		return fault.Reasoned(fault.Conflict, chain.ReasonNoWayBack, "the home table is at version %d and takes no move any more, so no slot can become V10's: seal without that verdict", m.HomeVersion)
	}
	return nil
}

// returnAll gives V10 all slots that it does not own, by no transaction: a seal behind the last block does. V10 needs no fence, and what it
// owned already stays as it was. Slots that a person must look at go with the others: V11, which would not serve them, keeps nothing.
func (l *Ledger) returnAll() {
	version := l.nextHome(chain.Hash{})
	for slot := range uint16(chain.SlotNone) {
		if !l.ownedByV10(slot) {
			l.setHome(slot, true)
			*l.slotSince.Mut(uint64(slot)) = version
		}
	}
}

// nextHome makes the next version of the home table.
func (l *Ledger) nextHome(id chain.Hash) (version uint64) {
	m := l.meta.Mut(0)
	*l.homeMoves.Mut(m.HomeVersion - genesisHomeVersion) = homeMoveRecord{Tx: id, Height: m.Height}
	m.HomeVersion++
	return m.HomeVersion
}

// HomeMove is how a version of the home table was made.
type HomeMove struct {
	Tx     chain.Hash // id of the MoveSlots, AbortMove or CloseMigration; zero: a seal behind that height gave V10 all slots
	Height chain.Height
}

// HomeMove returns how a version was made; false: it does not exist, or is the genesis's.
func (l *Ledger) HomeMove(version uint64) (HomeMove, bool) {
	if version <= genesisHomeVersion || version > l.meta.Ref(0).HomeVersion {
		return HomeMove{}, false
	}
	r := l.homeMoves.Ref(version - genesisHomeVersion - 1)
	return HomeMove{Tx: r.Tx, Height: r.Height}, true
}

// HomeVersionBefore is the version of the home table when the block of a height began.
func (l *Ledger) HomeVersionBefore(h chain.Height) uint64 {
	low, high := uint64(genesisHomeVersion), l.meta.Ref(0).HomeVersion
	for low < high { // the highest version made below h
		middle := low + (high-low+1)/2
		if move, _ := l.HomeMove(middle); move.Height < h {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}

// Mover is who may move slots, and the guard whose fences count; zero: nobody but governance, nobody.
func (l *Ledger) Mover() (key chain.KeyNo, guard [chain.Ed25519KeyBytes]byte) {
	r := l.mover.Ref(0)
	return r.Mover, r.Guard
}

// attachMoves checks the mover and the moves.
func (l *Ledger) attachMoves() error {
	m, r := l.meta.Ref(0), l.mover.Ref(0)
	if uint32(r.Mover) > m.Keys {
		return corrupt("key %d may move slots, of %d keys", r.Mover, m.Keys)
	}
	if m.HomeVersion < genesisHomeVersion || m.HomeVersion-genesisHomeVersion > chain.HomeMovesMax {
		return corrupt("the home table is at version %d", m.HomeVersion)
	}
	if !l.MigrationOpen() && l.V10Homes() != [homeWords]uint64{} {
		return corrupt("the migration is over, and V10 owns slots")
	}
	last := chain.Height(0)
	for v := uint64(genesisHomeVersion) + 1; v <= m.HomeVersion; v++ {
		move, _ := l.HomeMove(v)
		if move.Height < last || move.Height > m.Height {
			return corrupt("version %d of the home table was made at height %d, behind %d", v, move.Height, last)
		}
		last = move.Height
	}
	return nil
}
