// SPDX-License-Identifier: Apache-2.0

package router

import (
	"math/bits"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// slotLast is the highest slot of a cohort: chain.SlotNone is none.
const slotLast = chain.SlotNone - 1

// Slots is a set of slots. The zero value has none. Sets may be compared by ==.
type Slots struct {
	words [(chain.SlotNone + 1) / 64]uint64
}

// Has reports whether a slot is in the set.
func (s *Slots) Has(slot uint16) bool { return s.words[slot/64]>>(slot%64)&1 == 1 }

// Set puts slots into the set. Invalid: a range is upside down, or beyond the slots.
func (s *Slots) Set(ranges ...chain.SlotRange) error { return s.change(ranges, true) }

// Clear takes slots out of the set. Invalid as Set.
func (s *Slots) Clear(ranges ...chain.SlotRange) error { return s.change(ranges, false) }

func (s *Slots) change(ranges []chain.SlotRange, in bool) error {
	for _, r := range ranges {
		if r.From > r.To || r.To > slotLast {
			return fault.Reasoned(fault.Invalid, ReasonMalformed, "slots %d-%d: the first is at most the last, and that at most %d", r.From, r.To, slotLast)
		}
	}
	for _, r := range ranges {
		for slot := int(r.From); slot <= int(r.To); slot++ {
			bit := uint64(1) << (slot % 64)
			if in {
				s.words[slot/64] |= bit
			} else {
				s.words[slot/64] &^= bit
			}
		}
	}
	return nil
}

// Ranges lists the set in order, as few ranges as there can be.
func (s *Slots) Ranges() []chain.SlotRange {
	var out []chain.SlotRange
	for slot := 0; slot <= slotLast; slot++ {
		if !s.Has(uint16(slot)) {
			continue
		}
		from := slot
		for slot < slotLast && s.Has(uint16(slot+1)) {
			slot++
		}
		out = append(out, chain.SlotRange{From: uint16(from), To: uint16(slot)})
	}
	return out
}

// Count is how many slots are in the set, those of named accounts too.
func (s *Slots) Count() (n int) {
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Weight is the share of the hash slots that are in the set, in basis points: there are as many slots as basis points in a whole.
func (s *Slots) Weight() int {
	n := 0
	for _, w := range s.words[:chain.SlotsMax/64] {
		n += bits.OnesCount64(w)
	}
	return n + bits.OnesCount64(s.words[chain.SlotsMax/64]&(1<<(chain.SlotsMax%64)-1))
}
