// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Tip is a record as the one after it sees it, or where a direction begins.
type Tip struct {
	Position envelope.Position
	Tag      envelope.Tag
	// Since is the major of the batch before the record's. A capture whose tip is not an End makes that batch again: it asks its
	// change log from Since, and passes over what lies at or below Position.
	Since uint64
	End   bool
}

// After is from where a capture asks its change log to go on.
func (t *Tip) After() uint64 {
	if t.End {
		return t.Position.Major
	}
	return t.Since
}

// tipOf is the tip that a record makes, or that a heart-beat names.
func tipOf(r *envelope.Record) Tip {
	t := Tip{Position: r.Position, Tag: r.Tag, Since: r.Since, End: r.End}
	if r.IsHeartbeat() {
		t.Tag = r.PreviousTag
	}
	return t
}

// window knows which records are acknowledged without a gap, though acknowledgements of three topics come in any order.
type window struct {
	frontier Tip
	first    uint64 // ticket of the oldest that is not acknowledged
	ring     [WindowMax]entry
	sent     uint64 // tickets given out
}

type entry struct {
	tip  Tip
	done bool
}

// add notes a record that is sent, and returns its ticket. No more than WindowMax may be open.
func (w *window) add(t Tip) uint64 {
	fault.Invariant(w.sent-w.first < WindowMax, "more than %d records are in flight", WindowMax)
	w.ring[w.sent%WindowMax] = entry{tip: t}
	w.sent++
	return w.sent - 1
}

// open is how many records are sent and, as a run, not acknowledged.
func (w *window) open() int { return int(w.sent - w.first) }

// done notes an acknowledgement and returns by how many records the frontier moved.
func (w *window) done(ticket uint64) int {
	w.ring[ticket%WindowMax].done = true
	began := w.first
	for w.first < w.sent && w.ring[w.first%WindowMax].done {
		w.frontier = w.ring[w.first%WindowMax].tip
		w.first++
	}
	return int(w.first - began)
}
