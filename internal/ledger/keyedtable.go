// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"hash/maphash"
	"math/bits"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// keyedTable finds places of the ring of idempotency keys by a hash: open addressing with linear probing, at most three of
// four slots used. Bound: that of the ring; 8 B a slot.
//
// A slot has half of the hash beside the place, so that most of what is not sought is passed over without looking at its
// record, and the table grows and closes its gaps without looking at any. The last key out leaves no trace: what comes behind
// a gap moves up (Knuth, vol. 3, 6.4, algorithm R), so there are no tombstones to sweep, however many keys come and go.
//
// Clients choose keys, and could choose such as collide: the hash has a seed that nobody knows, drawn by the process. So slots
// differ between nodes. What is found does not, because equal keys are equal everywhere.
type keyedTable struct {
	slots []uint64 // tag u32, place + 1 u32; 0 = empty
	shift uint     // a tag's home is its upper bits
	used  int
	seed  maphash.Seed
}

func newKeyedTable() keyedTable { return keyedTable{seed: maphash.MakeSeed()} }

// tag is half of a key's hash.
func (x *keyedTable) tag(institution chain.InstitutionNo, key chain.IdempotencyKey) uint32 {
	return uint32((maphash.Bytes(x.seed, key[:]) ^ mix(uint64(institution))) >> 32)
}

// peek reads where tags lead first, for the reading alone: it has few instructions a tag, so that the processor has the misses
// of several under way at once.
func (x *keyedTable) peek(tags []uint32) (touched uint64) {
	if len(x.slots) == 0 {
		return 0
	}
	for _, tag := range tags {
		touched += x.slots[tag>>(x.shift&31)]
	}
	return touched
}

// find returns the place with this tag for which same says true.
func (x *keyedTable) find(tag uint32, same func(place uint32) bool) (place uint32, found bool) {
	if len(x.slots) == 0 {
		return 0, false
	}
	mask := len(x.slots) - 1
	for i := int(tag >> (x.shift & 31)); ; i = (i + 1) & mask {
		s := x.slots[i]
		if s == 0 {
			return 0, false
		}
		if uint32(s>>32) == tag && same(uint32(s)-1) {
			return uint32(s) - 1, true
		}
	}
}

// add takes a place that is not there.
func (x *keyedTable) add(tag, place uint32) {
	if 4*(x.used+1) > 3*len(x.slots) {
		x.grow()
	}
	x.used++
	x.put(uint64(tag)<<32 | uint64(place+1))
}

func (x *keyedTable) put(s uint64) {
	mask := len(x.slots) - 1
	i := x.home(s)
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}

func (x *keyedTable) home(s uint64) int { return int(uint32(s>>32) >> x.shift) }

func (x *keyedTable) grow() {
	old := x.slots
	slots := max(slotsMin, 2*len(old))
	x.slots = make([]uint64, slots)
	x.shift = uint(32 - bits.TrailingZeros(uint(slots)))
	for _, s := range old {
		if s != 0 {
			x.put(s)
		}
	}
}

// remove takes a place out that is there, and moves up what its gap would cut off.
func (x *keyedTable) remove(tag, place uint32) {
	mask := len(x.slots) - 1
	gap := int(tag >> x.shift)
	for x.slots[gap] != uint64(tag)<<32|uint64(place+1) {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; x.slots[i] != 0; i = (i + 1) & mask {
		if (i-x.home(x.slots[i]))&mask >= (i-gap)&mask {
			x.slots[gap] = x.slots[i]
			gap = i
		}
	}
	x.slots[gap] = 0
	x.used--
}
