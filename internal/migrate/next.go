// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Goal says whose slots are to be.
type Goal struct {
	ToV11 bool
	Slots router.Slots
}

// Fence is the guard's, with its signature.
type Fence struct {
	chain.Fence
	Signature []byte
}

// State is what the ledger and the guard say.
type State struct {
	Version uint64             // of the ledger's home table
	V10     router.Slots       // that V10 owns there
	Applied chain.SyncPosition // of V10's changes, by the ledger
	Guard   uint64             // version that the guard has followed
	Closed  router.Slots       // by the guard, at its version
	Coming  router.Slots       // to V10, which has not applied enough
	Fence   *Fence             // at hand; nil: none
}

// Verb is what is to be done.
type Verb uint8

// The verbs.
const (
	Done      Verb = iota // the slots are where they should be, and debited there
	Wait                  // for what Why says
	TakeFence             // of Ranges, from the guard
	Move                  // Ranges, by a transaction
)

// Why a mover waits: words for progress and counters.
const (
	WaitGuard = "guard" // the guard has not followed the ledger's newest version
	WaitSync  = "sync"  // V11 has not applied V10's changes up to the fence
	WaitV10   = "v10"   // V10 has not applied what V11 did with the slots
)

// Action is a verb with what it is about.
type Action struct {
	Verb   Verb
	Why    string            // of Wait
	Ranges []chain.SlotRange // of TakeFence and Move; at most chain.MoveRangesMax, what is left comes with the next one
}

// Next decides what brings a goal nearer.
func Next(g *Goal, s *State) Action {
	left := g.left(s)
	switch {
	case s.Guard < s.Version:
		return Action{Verb: Wait, Why: WaitGuard}
	case len(left) == 0 && !g.ToV11 && meet(&g.Slots, &s.Coming):
		return Action{Verb: Wait, Why: WaitV10}
	case len(left) == 0:
		return Action{Verb: Done}
	case !g.ToV11:
		return Action{Verb: Move, Ranges: left}
	case !s.Fence.fits(s.Version, left):
		if meet(&g.Slots, &s.Coming) { // a slot that has not opened cannot be fenced
			return Action{Verb: Wait, Why: WaitV10}
		}
		return Action{Verb: TakeFence, Ranges: left}
	case s.Applied.Before(s.Fence.Position):
		return Action{Verb: Wait, Why: WaitSync}
	}
	return Action{Verb: Move, Ranges: left}
}

// left are the slots whose owner is not the goal's.
func (g *Goal) left(s *State) []chain.SlotRange {
	var left []chain.SlotRange
	for _, r := range g.Slots.Ranges() {
		for slot := int(r.From); slot <= int(r.To); slot++ {
			if s.V10.Has(uint16(slot)) != g.ToV11 {
				continue
			}
			if n := len(left); n > 0 && int(left[n-1].To)+1 == slot {
				left[n-1].To = uint16(slot)
				continue
			}
			if len(left) == chain.MoveRangesMax {
				return left
			}
			left = append(left, chain.SlotRange{From: uint16(slot), To: uint16(slot)})
		}
	}
	return left
}

// fits reports whether a fence allows a move of ranges at a version.
func (f *Fence) fits(version uint64, ranges []chain.SlotRange) bool {
	if f == nil || f.HomeVersion != version || len(f.Slots) != len(ranges) {
		return false
	}
	for i, r := range ranges {
		if f.Slots[i] != r {
			return false
		}
	}
	return true
}

// meet reports whether two sets have a slot in common.
func meet(a, b *router.Slots) bool {
	for _, r := range b.Ranges() {
		for slot := int(r.From); slot <= int(r.To); slot++ {
			if a.Has(uint16(slot)) {
				return true
			}
		}
	}
	return false
}
