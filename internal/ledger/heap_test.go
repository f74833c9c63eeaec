// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A heap with removals from the middle gives the least number of a set.
func TestHeap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := func(no uint32) uint32 { return no * 2654435761 % 97 } // an order unlike that of the numbers
		less := func(a, b uint32) bool { return key(a) < key(b) || key(a) == key(b) && a < b }
		h, set := newHeap(less), map[uint32]bool{}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range 300 {
			no := r.Uint32N(100)
			if least, ok := h.min(); ok && r.IntN(3) == 0 {
				no = least
			}
			if set[no] {
				h.remove(no)
				delete(set, no)
			} else {
				h.push(no)
				set[no] = true
			}
			sorted := slices.SortedFunc(maps.Keys(set), func(a, b uint32) int {
				if less(a, b) {
					return -1
				}
				return 1
			})
			got, ok := h.min()
			if ok != (len(sorted) > 0) || ok && got != sorted[0] {
				t.Fatalf("least is %d, %v of %v", got, ok, sorted)
			}
		}
	})
}
