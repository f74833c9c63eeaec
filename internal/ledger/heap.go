// SPDX-License-Identifier: Apache-2.0

package ledger

import "slices"

// heap is a binary min-heap of distinct numbers from which any can be removed. Bound: the range of the numbers.
type heap struct {
	items []uint32
	place []uint32 // by number: 1 + its place in items, 0 if absent
	less  func(a, b uint32) bool
}

func newHeap(less func(a, b uint32) bool) heap { return heap{less: less} }

// min returns the least number, and false if there is none.
func (h *heap) min() (uint32, bool) {
	if len(h.items) == 0 {
		return 0, false
	}
	return h.items[0], true
}

func (h *heap) push(no uint32) {
	if short := int(no) + 1 - len(h.place); short > 0 {
		h.place = append(h.place, make([]uint32, short)...)
	}
	h.items = append(h.items, no)
	h.up(len(h.items) - 1)
}

// remove takes no out; it must be there.
func (h *heap) remove(no uint32) {
	i, last := int(h.place[no])-1, len(h.items)-1
	moved := h.items[last]
	h.items = slices.Delete(h.items, last, last+1)
	h.place[no] = 0
	if i < last {
		h.items[i] = moved
		h.down(i)
		h.up(int(h.place[moved]) - 1)
	}
}

func (h *heap) up(i int) {
	no := h.items[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(no, h.items[parent]) {
			break
		}
		h.set(i, h.items[parent])
		i = parent
	}
	h.set(i, no)
}

func (h *heap) down(i int) {
	no := h.items[i]
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			break
		}
		if child+1 < len(h.items) && h.less(h.items[child+1], h.items[child]) {
			child++
		}
		if !h.less(h.items[child], no) {
			break
		}
		h.set(i, h.items[child])
		i = child
	}
	h.set(i, no)
}

func (h *heap) set(i int, no uint32) { h.items[i], h.place[no] = no, uint32(i)+1 }
