// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/aurigraph/aurigraph/internal/chain"

// journal remembers how to undo an atomic batch: what was there before each change, in order of the changes. Its memory
// is kept. Bound: a few entries a leg.
type journal struct {
	on      bool
	entries []undo
	ended   []holdRecord // of the undoHoldEnded entries, in their order

	sums      Sums // when it began
	versioned int
	keyed     keyedTotals
}

type undoKind uint32

const (
	undoAmount    undoKind = iota // a holding had old
	undoMade                      // the last sparse holding did not exist
	undoHoldMade                  // the hold at slot record did not exist
	undoHoldEnded                 // the hold at slot record was pending
)

type undo struct {
	kind   undoKind
	asset  chain.AssetNo
	record uint64
	old    chain.Amount
}

func (j *journal) amount(asset chain.AssetNo, record uint64, old chain.Amount) {
	j.entries = append(j.entries, undo{kind: undoAmount, asset: asset, record: record, old: old})
}

func (j *journal) made() { j.entries = append(j.entries, undo{kind: undoMade}) }

// holdMade notes a hold to be made at slot while the high-water mark of slots is slots.
func (j *journal) holdMade(slot, slots uint32) {
	j.entries = append(j.entries, undo{kind: undoHoldMade, record: uint64(slot), old: chain.Units(uint64(slots))})
}

func (j *journal) holdEnded(slot uint32, r *holdRecord) {
	j.entries = append(j.entries, undo{kind: undoHoldEnded, record: uint64(slot)})
	j.ended = append(j.ended, *r)
}

// beginJournal starts remembering.
func (l *Ledger) beginJournal() {
	j := &l.journal
	j.on, j.entries, j.ended = true, j.entries[:0], j.ended[:0]
	j.sums, j.versioned, j.keyed = l.sums, len(l.versioned), *l.keyedTotals.Ref(0)
}

// endJournal stops remembering; what was done stays.
func (l *Ledger) endJournal() { l.journal.on = false }

// rollBack undoes everything since beginJournal, newest first, and stops remembering.
func (l *Ledger) rollBack() {
	j := &l.journal
	j.on = false
	for i := len(j.entries) - 1; i >= 0; i-- {
		switch e := &j.entries[i]; e.kind {
		case undoAmount:
			*l.hot[e.asset].column.Mut(e.record) = e.old
		case undoMade:
			l.unmakeSparse()
		case undoHoldMade:
			l.unmakeHold(uint32(e.record), uint32(e.old.Lo))
		case undoHoldEnded:
			last := len(j.ended) - 1
			l.reviveHold(uint32(e.record), j.ended[last])
			j.ended = j.ended[:last]
		}
	}
	l.sums, l.versioned = j.sums, l.versioned[:j.versioned]
	l.rollBackKeyed(&j.keyed)
}
