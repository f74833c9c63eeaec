// SPDX-License-Identifier: Apache-2.0

package chain

// Bounds of moves.
const (
	MoveRangesMax = 256     // ranges of slots in one move
	HomeMovesMax  = 1 << 20 // moves of a chain's life, each of which makes a version of the home table; the last is left for the close
)

// SetMover says who may move slots (Mover, a key of an institution, also a delegated one; 0: governance alone) and whose fences count
// (Guard, an Ed25519 key; zero: nobody's, so that nothing moves to V11). Governance only.
type SetMover struct {
	Mover KeyNo
	Guard [Ed25519KeyBytes]byte
}

// MoveSlots gives slots to the other side, if the home table is at HomeVersion still. That makes the next version. What goes to V11 needs
// the fence of V10's guard, and that the inbox has applied V10's changes up to the fence's position.
type MoveSlots struct {
	ToV11       bool
	HomeVersion uint64
	Slots       []SlotRange
	Position    SyncPosition // the fence's; zero for what goes to V10, like Fence
	Fence       []byte       // the guard's signature over keys.FenceMessage
}

// AbortMove makes the next version of the home table with everything as it was: fences of earlier versions are of no use from then on, and
// the guard opens what it had closed. Slots, which V10 owns, are named for those who read it.
type AbortMove struct {
	HomeVersion uint64
	Slots       []SlotRange
}

// CloseMigration ends the way back for ever: V10 owns no slot any more, everything that it did is here, and what was bound to portable
// accounts is free. It makes the last version of the home table. Governance only, not the mover.
type CloseMigration struct {
	HomeVersion uint64
	Life        uint32       // of V10, as the inbox is open for; 0: it was never opened
	Position    SyncPosition // of V10's newest change, read when V10 owned no slot any more; the inbox must have it
}

// Fence is a guard's word that V10 takes nothing more that debits Slots behind Position while the home table is at HomeVersion.
type Fence struct {
	Incarnation [16]byte // V10's
	HomeVersion uint64
	Slots       []SlotRange
	Position    SyncPosition // the barrier's
}

// Kind returns TxSetMover.
func (*SetMover) Kind() TxKind { return TxSetMover }

// Kind returns TxMoveSlots.
func (*MoveSlots) Kind() TxKind { return TxMoveSlots }

// Kind returns TxAbortMove.
func (*AbortMove) Kind() TxKind { return TxAbortMove }

// Kind returns TxCloseMigration.
func (*CloseMigration) Kind() TxKind { return TxCloseMigration }

// CheckRanges says why ranges name no slots, or nil: there are 1 to MoveRangesMax, in order and apart from each other.
func CheckRanges(ranges []SlotRange) error {
	if len(ranges) == 0 || len(ranges) > MoveRangesMax {
		return badTx("slots", "are %d ranges, must be 1 to %d", len(ranges), MoveRangesMax)
	}
	for i, r := range ranges {
		switch {
		case r.From > r.To || r.To == SlotNone:
			return badTx("slots", "%d to %d is no range", r.From, r.To)
		case i > 0 && r.From <= ranges[i-1].To:
			return badTx("slots", "%d to %d does not come behind %d", r.From, r.To, ranges[i-1].To)
		}
	}
	return nil
}

func (b *MoveSlots) validate() error {
	fence := 0
	if b.ToV11 {
		fence = Ed25519SignatureBytes
	}
	switch {
	case b.HomeVersion == 0:
		return badTx("home_version", "must be the present one, not 0")
	case len(b.Fence) != fence:
		return badTx("fence", "has %d bytes, must have %d", len(b.Fence), fence)
	case !b.ToV11 && b.Position != SyncPosition{}:
		return badTx("position", "stands in a move to V10, which needs none")
	}
	return CheckRanges(b.Slots)
}

func (b *AbortMove) validate() error {
	if b.HomeVersion == 0 {
		return badTx("home_version", "must be the present one, not 0")
	}
	return CheckRanges(b.Slots)
}

func (b *CloseMigration) validate() error {
	switch {
	case b.HomeVersion == 0:
		return badTx("home_version", "must be the present one, not 0")
	case b.Life == 0 && b.Position != SyncPosition{}:
		return badTx("position", "stands without a life of V10, which it is a place in")
	}
	return nil
}
