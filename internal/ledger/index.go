// SPDX-License-Identifier: Apache-2.0

package ledger

import "math/bits"

// slotsMin is the least size of an index, in slots. A power of two.
const slotsMin = 16

// index finds dense numbers by the hash of their records: open addressing with linear probing over 4-byte slots, at most
// half of them used. It holds the numbers 1 to used, so that records stay in their column and growing needs no copy of
// them. Bound: that of the numbers.
//
// The slots are always what adding 1 to used in that order gives, so that dropping the last number undoes adding it,
// even across growth.
type index struct {
	slots  []uint32 // 0 = empty
	shift  uint     // a hash's place is its upper bits
	used   uint32
	hashOf func(no uint32) uint64
}

func newIndex(hashOf func(no uint32) uint64) index {
	x := index{hashOf: hashOf}
	x.resize(slotsMin)
	return x
}

func (x *index) resize(slots int) {
	x.slots = make([]uint32, slots)
	x.shift = uint(64 - bits.TrailingZeros(uint(slots)))
	for no := uint32(1); no <= x.used; no++ {
		x.place(no)
	}
}

func (x *index) place(no uint32) {
	mask := len(x.slots) - 1
	i := int(x.hashOf(no) >> x.shift)
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = no
}

// add takes the number used+1, whose record must be in place.
func (x *index) add() {
	x.used++
	if 2*int(x.used) > len(x.slots) {
		x.resize(2 * len(x.slots))
		return
	}
	x.place(x.used)
}

// dropLast forgets the number used, whose record must still be in place.
func (x *index) dropLast() {
	mask := len(x.slots) - 1
	i := int(x.hashOf(x.used) >> x.shift)
	for x.slots[i] != x.used {
		i = (i + 1) & mask
	}
	x.slots[i] = 0
	x.used--
}

// find returns the number with this hash for which same says true, or 0.
func (x *index) find(hash uint64, same func(no uint32) bool) uint32 {
	mask := len(x.slots) - 1
	for i := int(hash >> x.shift); ; i = (i + 1) & mask {
		if no := x.slots[i]; no == 0 || same(no) {
			return no
		}
	}
}

// mix spreads the entropy of x over all 64 bits (the finalizer of SplitMix64, Steele et al. 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
