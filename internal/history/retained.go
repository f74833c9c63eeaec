// SPDX-License-Identifier: Apache-2.0

package history

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Retained finds the first height from from to head from which on no payload is missing: the one behind the last block
// that retention recycled, head+1 if that is the last. Retention recycles from the oldest on, so it is found by doubling
// steps and halving them again: some 2 log2(head) blocks are looked at, with a payload read for each segment they touch.
func (h *History) Retained(from, head chain.Height) (chain.Height, error) {
	low, high := from, head+1 // all below low is pruned or before it, nothing from high on is pruned
	for step := chain.Height(1); low < high; step *= 2 {
		at := min(low+step-1, head)
		next, whole, err := h.wholeFrom(at, high)
		if err != nil {
			return 0, err
		}
		if whole {
			high = at
			break
		}
		low = next
	}
	for low < high {
		mid := low + (high-low)/2
		next, whole, err := h.wholeFrom(mid, high)
		switch {
		case err != nil:
			return 0, err
		case whole:
			high = mid
		default:
			low = next
		}
	}
	return high, nil
}

// wholeFrom asks the first block from at to below high that has batches whether its payloads are all there: an empty block
// says nothing. If they are not, next is the height behind it. Empty blocks come by the dozen at most: they only carry the
// last work's state root to certification.
func (h *History) wholeFrom(at, high chain.Height) (next chain.Height, whole bool, err error) {
	for ; at < high; at++ {
		header, _, err := h.header(at)
		if fault.Is(err, fault.Pruned) {
			return at + 1, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		if len(header.Batches) == 0 {
			continue
		}
		whole, err := h.whole(header)
		return at + 1, whole, err
	}
	return high, true, nil
}

// whole reports whether the payloads of a block can be read, all of them. Segments are recycled whole, so the smallest
// payload of each stands for the others.
func (h *History) whole(header *chain.ExecutedHeader) (bool, error) {
	smallest := map[uint64]chain.Location{}
	for i := range header.Batches {
		place, err := h.Place(header.Height, uint32(i))
		if fault.Is(err, fault.Pruned) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if known, ok := smallest[place.Segment]; !ok || place.Bytes < known.Bytes {
			smallest[place.Segment] = place
		}
	}
	for _, place := range smallest {
		switch _, err := h.Payload(place); {
		case fault.Is(err, fault.Pruned):
			return false, nil
		case err != nil:
			return false, err
		}
	}
	return true, nil
}
