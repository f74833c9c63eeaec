// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// heldBytesMax bounds the payloads of entries that were read and are not wanted yet, a quarter of the log reader's memory.
// A block's own entries may take two more. At either bound an entry's payload is let go and read again when it is wanted.
const heldBytesMax = seglog.PayloadBytesMax

// heldEntriesMax bounds the entries that were read and not executed. No node holds as many: ordering takes 4,096 at a time.
const heldEntriesMax = 1 << 16

// hold is the entries that were read and not executed yet, by digest, since the lanes lie mixed in the log and what is
// ordered lies there in another order.
type hold struct {
	byDigest map[chain.Hash]*entry
	byPlace  map[place][]*entry // more than one of a lane that forked
	bytes    int64              // of memory of the log reader's
	bytesMax int64
}

// place is an entry's in its lane.
type place struct {
	lane     chain.ValidatorNo
	sequence uint64
}

func newHold(bytesMax int64) hold {
	return hold{byDigest: map[chain.Hash]*entry{}, byPlace: map[place][]*entry{}, bytesMax: bytesMax}
}

func (e *entry) place() place { return place{e.Entry.Validator, e.Entry.Sequence} }

// lent is the most memory that a record may take from the reader's pool, whose buffers have few sizes.
func (e *entry) lent() int64 {
	n := int64(e.Pos.Bytes)
	return min(4*n, max(2*n, 544<<10))
}

// add takes over the entry. Without room its payload is let go.
func (h *hold) add(e *entry, wanted bool) {
	h.byDigest[e.Digest] = e
	h.byPlace[e.place()] = append(h.byPlace[e.place()], e)
	room := h.bytesMax
	if wanted {
		room *= 3
	}
	if h.bytes+e.lent() > room {
		e.release()
		return
	}
	h.bytes += e.lent()
}

// remove gives the entry back to the caller.
func (h *hold) remove(e *entry) {
	delete(h.byDigest, e.Digest)
	at := e.place()
	kept := h.byPlace[at][:0]
	for _, other := range h.byPlace[at] {
		if other != e {
			kept = append(kept, other)
		}
	}
	if h.byPlace[at] = kept; len(kept) == 0 {
		delete(h.byPlace, at)
	}
	if e.buffer != nil {
		h.bytes -= e.lent()
	}
}
