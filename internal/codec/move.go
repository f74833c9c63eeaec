// SPDX-License-Identifier: Apache-2.0

package codec

import "github.com/aurigraph/aurigraph/internal/chain"

// rangeBytes is a range of slots.
const rangeBytes = 4

// appendMoveBody appends the bodies that change who owns slots, and who may.
func appendMoveBody(w *writer, body chain.Body) {
	switch b := body.(type) {
	case *chain.SetMover:
		w.u32(uint32(b.Mover))
		w.raw(b.Guard[:])
	case *chain.MoveSlots:
		w.flag(b.ToV11)
		w.u64(b.HomeVersion)
		appendRanges(w, b.Slots)
		w.u64(b.Position.Major)
		w.u32(b.Position.Minor)
		w.bytes(b.Fence, chain.Ed25519SignatureBytes)
	case *chain.AbortMove:
		w.u64(b.HomeVersion)
		appendRanges(w, b.Slots)
	case *chain.CloseMigration:
		w.u64(b.HomeVersion)
		w.u32(b.Life)
		w.u64(b.Position.Major)
		w.u32(b.Position.Minor)
	}
}

// readMoveBody reads them; nil for any other kind.
func readMoveBody(r *reader, kind chain.TxKind) chain.Body {
	switch kind {
	case chain.TxSetMover:
		b := &chain.SetMover{Mover: chain.KeyNo(r.u32())}
		copy(b.Guard[:], r.take(len(b.Guard)))
		return b
	case chain.TxMoveSlots:
		b := &chain.MoveSlots{ToV11: r.flag(), HomeVersion: r.u64(), Slots: readRanges(r)}
		b.Position, b.Fence = readSyncPosition(r), r.bytes(chain.Ed25519SignatureBytes)
		return b
	case chain.TxAbortMove:
		return &chain.AbortMove{HomeVersion: r.u64(), Slots: readRanges(r)}
	case chain.TxCloseMigration:
		return &chain.CloseMigration{HomeVersion: r.u64(), Life: r.u32(), Position: readSyncPosition(r)}
	}
	return nil
}

func appendRanges(w *writer, ranges []chain.SlotRange) {
	w.count(len(ranges), chain.MoveRangesMax)
	for _, s := range ranges {
		w.u16(s.From)
		w.u16(s.To)
	}
}

func readRanges(r *reader) []chain.SlotRange {
	n := r.count(chain.MoveRangesMax, rangeBytes)
	ranges := make([]chain.SlotRange, 0, n)
	for range n {
		ranges = append(ranges, chain.SlotRange{From: r.u16(), To: r.u16()})
	}
	return ranges
}

// FenceHash is what a guard signs of a fence (keys.FenceMessage). More than chain.MoveRangesMax ranges break an invariant.
func FenceHash(f *chain.Fence) chain.Hash {
	w := writer{[]byte(magicFence)}
	w.raw(f.Incarnation[:])
	w.u64(f.HomeVersion)
	appendRanges(&w, f.Slots)
	w.u64(f.Position.Major)
	w.u32(f.Position.Minor)
	return Sum(w.b)
}
