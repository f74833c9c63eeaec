// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// side says where what debits a slot goes.
type side uint8

const (
	atV11  side = iota // V11 owns the slot
	open               // V10 does, and takes debits
	closed             // V10 does, and takes none until the home table moves on
	coming             // V10 does, and has not applied all that V11 did with it
)

var sideNames = [...]string{"v11", "open", "closed", "coming"}

// slots is how many a u16 can name; the last names none.
const slots = 1 << 16

// Owned are slots that V10 owns since a height of V11: it takes debits once it has applied everything up to there. 0: from the beginning.
type Owned struct {
	From  uint16 `json:"from"`
	To    uint16 `json:"to"`
	Since uint64 `json:"since,omitempty"`
}

// MoveKind says what a move does with its slots.
type MoveKind string

// The kinds.
const (
	ToV11   MoveKind = "to_v11"
	ToV10   MoveKind = "to_v10"
	Aborted MoveKind = "abort" // V10 keeps what it had closed
	Over    MoveKind = "close" // the migration's end: V10 owns nothing, and no version follows
)

// Move made a version of the home table. What goes to V10 may name slots that V10 owns already, as the move of a seal does, which names all:
// those stay as they were.
type Move struct {
	Version uint64            `json:"version"`
	Height  uint64            `json:"height"`
	Kind    MoveKind          `json:"kind"`
	Slots   []chain.SlotRange `json:"slots"`
}

// check says why a move cannot be one.
func (m *Move) check() error {
	if m.Kind == Over && len(m.Slots) == 0 {
		return nil
	}
	if m.Kind != ToV11 && m.Kind != ToV10 && m.Kind != Aborted {
		return fault.New(fault.Corrupt, "move %d is of the kind %q, which this guard does not know: use the program that V11 runs", m.Version, m.Kind)
	}
	return fault.Wrap(fault.Corrupt, chain.CheckRanges(m.Slots), "move %d", m.Version)
}

// FirstVersion is that of a genesis's home table.
const FirstVersion = 1

// first is the record of a guard that knows nothing but the genesis, which gives these slots to V10.
func first(genesis []chain.SlotRange) *Record {
	r := &Record{Version: FirstVersion}
	for _, s := range join(genesis, nil) {
		r.Owned = append(r.Owned, Owned{From: s.From, To: s.To})
	}
	return r
}

// follow makes the record of the next version.
func (r *Record) follow(m *Move) {
	fault.Invariant(m.Version == r.Version+1, "move %d comes at version %d", m.Version, r.Version)
	r.Version, r.Last = m.Version, m
	r.Owned, r.Closed = after(r.Owned, m), nil
}

// table has a word for each slot.
type table[T comparable] [slots]T

func (t *table[T]) set(r chain.SlotRange, v T) {
	for s := int(r.From); s <= int(r.To); s++ {
		t[s] = v
	}
}

// ranges lists what of a table is not zero, neighbours of one word together.
func (t *table[T]) ranges(each func(r chain.SlotRange, v T)) {
	var zero T
	for s := 0; s < slots; {
		v, first := t[s], s
		for s < slots && t[s] == v {
			s++
		}
		if v != zero {
			each(chain.SlotRange{From: uint16(first), To: uint16(s - 1)}, v)
		}
	}
}

// without returns the slots of a that are not in b, in order and apart from each other.
func without(a, b []chain.SlotRange) (all []chain.SlotRange) {
	var t table[bool]
	for _, r := range a {
		t.set(r, true)
	}
	for _, r := range b {
		t.set(r, false)
	}
	t.ranges(func(r chain.SlotRange, _ bool) { all = append(all, r) })
	return all
}

// join returns ranges of both lists, in order and apart from each other.
func join(a, b []chain.SlotRange) (all []chain.SlotRange) {
	var t table[bool]
	for _, r := range append(slices.Clone(a), b...) {
		t.set(r, true)
	}
	t.ranges(func(r chain.SlotRange, _ bool) { all = append(all, r) })
	return all
}

// after makes the table after a move. Since is kept with each slot, one more than itself so that 0 is what V11 owns.
func after(owned []Owned, m *Move) (all []Owned) {
	var t table[uint64]
	for _, o := range owned {
		t.set(chain.SlotRange{From: o.From, To: o.To}, o.Since+1)
	}
	for _, r := range m.Slots {
		switch m.Kind {
		case ToV11:
			t.set(r, 0)
		case ToV10:
			for s := int(r.From); s <= int(r.To); s++ {
				if t[s] == 0 {
					t[s] = m.Height + 1
				}
			}
		}
	}
	t.ranges(func(r chain.SlotRange, since uint64) {
		all = append(all, Owned{From: r.From, To: r.To, Since: since - 1})
	})
	return all
}
