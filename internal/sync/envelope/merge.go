// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"maps"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a merger. A topic that reached either is full: the reader takes nothing more from it until its records are handed out.
const (
	PendingRecordsMax = 16_384
	PendingBytesMax   = 16 << 20
	// RecentMax is how many tags of records that were handed out are kept, to tell a double from a fork.
	RecentMax = 32_768
)

// Start is where the applier's ledger stands: everything up to Position is in it. Tag is that of the record at Position, zero if the
// position comes from a copy of the ledger and no record.
type Start struct {
	Source   Source
	Position Position
	Tag      Tag
}

// Verdict says what Offer did with a record.
type Verdict uint8

// The verdicts.
const (
	Kept         Verdict = iota // it waits for its turn
	Double                      // it is there already, or was handed out; the tags are equal
	Past                        // it lies at or below the position, too far back to compare
	EarlierLife                 // it is of an earlier incarnation
	Beat                        // a heart-beat, which was noted
	verdictCount                // how many there are
)

var verdictNames = [verdictCount]string{"kept", "double", "past", "earlier_life", "beat"}

// String returns the verdict's name, by which it is counted.
func (v Verdict) String() string {
	if v >= verdictCount {
		return "unknown"
	}
	return verdictNames[v]
}

// Merger makes one order of the three topics of a direction. It is owned by one goroutine.
type Merger struct {
	source Source
	at     Position
	tag    Tag
	// pending holds records above at, by the position they follow.
	pending map[Position]held
	topics  [TopicCount]topicState
	recent  recent
	broken  error
}

type held struct {
	record *Record
	topic  Topic
	bytes  int
}

type topicState struct {
	records, bytes int
	stated         Position // of the newest heart-beat: all of the topic up to there was offered
}

// NewMerger begins at start.
func NewMerger(start Start) (*Merger, error) {
	if err := start.Source.Check(); err != nil {
		return nil, err
	}
	m := &Merger{source: start.Source, at: start.Position, tag: start.Tag, pending: map[Position]held{}}
	m.recent.tags = map[Position]Tag{}
	if !start.Tag.IsZero() {
		m.recent.add(start.Position, start.Tag)
	}
	return m, nil
}

// At is the position and tag of what was handed out last.
func (m *Merger) At() (Position, Tag) { return m.at, m.tag }

// Stated is the highest position of which some topic says that all topics have everything.
func (m *Merger) Stated() (p Position) {
	for i := range m.topics {
		if p.Before(m.topics[i].stated) {
			p = m.topics[i].stated
		}
	}
	return p
}

// Pending is how many records wait.
func (m *Merger) Pending() int { return len(m.pending) }

// Full reports whether a topic is full: nothing of it is to be offered now.
func (m *Merger) Full(t Topic) bool {
	return m.topics[t].records >= PendingRecordsMax || m.topics[t].bytes >= PendingBytesMax
}

// Offer takes the next record of a topic. bytes is its size on the wire. Its errors are final.
func (m *Merger) Offer(t Topic, r *Record, bytes int) (Verdict, error) {
	if m.broken != nil {
		return 0, m.broken
	}
	v, err := m.offer(t, r, bytes)
	m.broken = err
	return v, err
}

func (m *Merger) offer(t Topic, r *Record, bytes int) (Verdict, error) {
	switch earlier, err := m.checkSource(r); {
	case err != nil:
		return 0, err
	case earlier:
		return EarlierLife, nil
	case r.IsHeartbeat():
		return Beat, m.beat(t, r)
	case !m.at.Before(r.Position):
		return m.past(r)
	}
	return m.keep(t, r, bytes)
}

// checkSource reports whether r is of an earlier life of the ledger, and why it may not be here at all.
func (m *Merger) checkSource(r *Record) (earlier bool, err error) {
	switch {
	case r.Origin != m.source.Origin:
		return false, fault.Reasoned(fault.Conflict, ReasonOtherOrigin, "a record at %s comes from %s, in a direction of %s", r.Position, r.Source, m.source)
	case r.Ledger != m.source.Ledger:
		return false, fault.Reasoned(fault.Conflict, ReasonForeignLedger, "a record at %s comes from %s, not from %s: these topics serve two networks", r.Position, r.Source, m.source)
	case r.Life < m.source.Life:
		return true, nil
	case r.Life != m.source.Life || r.Incarnation != m.source.Incarnation:
		return false, fault.Reasoned(fault.Conflict, ReasonOtherIncarnation,
			"a record at %s comes from %s, not from %s: the ledger was restored from a copy; compare both before its records are let in", r.Position, r.Source, m.source)
	}
	return false, nil
}

// beat notes what a heart-beat says.
func (m *Merger) beat(t Topic, r *Record) error {
	if tag, known := m.recent.tags[r.Position]; known && !r.PreviousTag.IsZero() && tag != r.PreviousTag {
		return fork("a heart-beat names another record at %s than the one that was handed out", r.Position)
	}
	if m.topics[t].stated.Before(r.Position) {
		m.topics[t].stated = r.Position
	}
	return nil
}

// past compares a record that lies at or below the position with what was handed out.
func (m *Merger) past(r *Record) (Verdict, error) {
	switch tag, known := m.recent.tags[r.Position]; {
	case known && tag == r.Tag:
		return Double, nil
	case known:
		return 0, fork("two records at %s", r.Position)
	case m.recent.covers(r.Position):
		return 0, fork("a record at %s, where none was when its neighbours were handed out", r.Position)
	}
	return Past, nil
}

func (m *Merger) keep(t Topic, r *Record, bytes int) (Verdict, error) {
	follows := r.Previous
	if follows.Before(m.at) {
		if !m.tag.IsZero() {
			return 0, fork("the record at %s follows %s, and %s was handed out between them", r.Position, r.Previous, m.at)
		}
		follows = m.at // a copy may stand anywhere between two records
	}
	if other, taken := m.pending[follows]; taken {
		if other.record.Tag == r.Tag {
			return Double, nil
		}
		return 0, fork("records at %s and %s both follow %s", other.record.Position, r.Position, r.Previous)
	}
	m.pending[follows] = held{r, t, bytes}
	m.topics[t].records++
	m.topics[t].bytes += bytes
	return Kept, nil
}

// Next returns the record that follows, or nil while it is not there. Its errors are final.
func (m *Merger) Next() (*Record, error) {
	if m.broken != nil {
		return nil, m.broken
	}
	h, found := m.pending[m.at]
	if !found {
		m.broken = m.lost()
		return nil, m.broken
	}
	if !m.tag.IsZero() && h.record.PreviousTag != m.tag {
		m.broken = fork("the record at %s does not continue what was handed out at %s", h.record.Position, m.at)
		return nil, m.broken
	}
	delete(m.pending, m.at)
	m.topics[h.topic].records--
	m.topics[h.topic].bytes -= h.bytes
	m.at, m.tag = h.record.Position, h.record.Tag
	m.recent.add(m.at, m.tag)
	return h.record, nil
}

// lost returns why the record that follows will never come, nil while it may: some topic has not yet said that it has everything
// above the position, and has room.
func (m *Merger) lost() error {
	full := false
	for i := range m.topics {
		if m.Full(Topic(i)) {
			full = true
		} else if !m.at.Before(m.topics[i].stated) {
			return nil
		}
	}
	for follows, h := range m.pending {
		if follows.Before(m.at) {
			return fork("the record at %s follows %s, and %s was handed out between them", h.record.Position, follows, m.at)
		}
	}
	if full {
		return fault.Reasoned(fault.Conflict, ReasonDisorder, "what follows %s did not come among the next %d records of its topic", m.at, PendingRecordsMax)
	}
	return fault.Reasoned(fault.Conflict, ReasonGap,
		"the record that follows %s is in no topic, and all topics go on above it: the broker lost it or let it go. Copy the ledger anew from a checkpoint", m.at)
}

// Missing reports the positions between which a merger that broke lacks a record: the last one handed out, and the lowest that waits.
func (m *Merger) Missing() (after, before Position) {
	for follows := range maps.Keys(m.pending) {
		if before.IsZero() || follows.Before(before) {
			before = follows
		}
	}
	return m.at, before
}

func fork(format string, args ...any) error {
	return fault.Reasoned(fault.Conflict, ReasonFork, format+": two programs wrote different histories; stop one and compare", args...)
}

// recent remembers the tags of the last records that were handed out.
type recent struct {
	tags  map[Position]Tag
	order []Position // a ring, once it is full
	next  int
}

func (r *recent) add(p Position, t Tag) {
	if len(r.order) < RecentMax {
		r.order = append(r.order, p)
	} else {
		delete(r.tags, r.order[r.next])
		r.order[r.next] = p
		r.next = (r.next + 1) % RecentMax
	}
	r.tags[p] = t
}

// covers reports whether p lies above the oldest that is remembered.
func (r *recent) covers(p Position) bool {
	if len(r.order) == 0 {
		return false
	}
	return r.order[r.next].Before(p)
}
