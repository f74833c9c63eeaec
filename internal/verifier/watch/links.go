// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Bounds of Links.
const (
	// AheadMax is how many records may wait for one before them; a publisher has at most 4,096 under way.
	AheadMax = 1 << 14
	// RecentMax is how many records that were passed are known by their tags, so that another one for their place is told.
	RecentMax = 1 << 16
	// flawTextMax bounds what is said of a finding.
	flawTextMax = 200
)

// Flaw is what is wrong with a record of a topic.
type Flaw string

// The flaws. A publisher that was killed leaves records out of order too, by its window at most: each once, and none of them lost.
const (
	Forged     Flaw = "forged"            // its tag does not follow from its bytes, or no sync key makes it
	Garbled    Flaw = "garbled"           // bytes that are no record
	Unknown    Flaw = "unknown"           // of a version or schema that this program does not know: upgrade it
	Foreign    Flaw = "foreign"           // of another ledger, or of the other direction
	OtherLife  Flaw = "other_incarnation" // of another life of the ledger
	Forked     Flaw = "forked"            // another record was there for its place in the order
	Unlinked   Flaw = "unlinked"          // it names another predecessor than the one that was there
	Lost       Flaw = "lost"              // the topics say that they have the record behind this place, and it is not there
	OutOfOrder Flaw = "out_of_order"      // in its topic it lies behind one of a later place
	BadBeat    Flaw = "bad_heartbeat"     // a heart-beat names another record of its place
	WrongTopic Flaw = "wrong_topic"       // the record belongs into another topic
	Crowded    Flaw = "crowded"           // too many records wait for one before them: no publisher of ours is so far ahead
)

// Finding is a flaw and where it lies.
type Finding struct {
	Flaw     Flaw   `json:"flaw"`
	Topic    string `json:"topic"`
	Offset   int64  `json:"offset"`
	Position string `json:"position,omitempty"`
	Text     string `json:"text,omitempty"`
}

// Links checks the chain of one direction's records as its three topics have them. It is pure; one goroutine uses it.
//
// It begins at the first place up to which all three topics say that they have everything, and goes on after each finding.
type Links struct {
	origin  envelope.Origin
	ledger  envelope.LedgerID
	keys    []envelope.Key
	life    uint32 // 0: no record was seen
	lives   envelope.Incarnation
	begun   bool
	at      link
	beats   [envelope.TopicCount]*link             // the highest that each topic stated
	ahead   map[envelope.Position]link             // by the place before
	last    [envelope.TopicCount]envelope.Position // highest of each topic
	recent  map[envelope.Position]envelope.Tag
	ring    []envelope.Position // of recent, in their order
	next    int
	Records uint64 // in the chain
	Doubles uint64 // repeats of what was there
}

// link is a record of the chain.
type link struct {
	position, previous envelope.Position
	tag, previousTag   envelope.Tag
	topic              envelope.Topic
	offset             int64
}

// NewLinks checks one direction, which comes from a ledger and whose records are sealed with one of the keys.
func NewLinks(origin envelope.Origin, ledger envelope.LedgerID, keys []envelope.Key) *Links {
	return &Links{origin: origin, ledger: ledger, keys: keys, ahead: map[envelope.Position]link{}, recent: map[envelope.Position]envelope.Tag{}}
}

// Take takes the next record of a topic, and returns what is found by it.
func (l *Links) Take(topic envelope.Topic, offset int64, wire []byte) []Finding {
	var f findings
	r, err := envelope.Open(l.keys, wire)
	if err != nil {
		f.add(flawOf(err), l.origin, &link{topic: topic, offset: offset}, err.Error())
		return f
	}
	at := link{position: r.Position, previous: r.Previous, tag: r.Tag, previousTag: r.PreviousTag, topic: topic, offset: offset}
	if flaw := l.foreign(r); flaw != "" {
		f.add(flaw, l.origin, &at, r.Source.String())
		return f
	}
	if r.IsHeartbeat() {
		l.beat(&at, &f)
	} else {
		if of := r.Change.Topic(); of != topic {
			f.add(WrongTopic, l.origin, &at, "it belongs into "+of.Name(l.origin))
		}
		l.record(&at, &f)
	}
	if l.begun {
		l.advance(&f)
	}
	return f
}

type findings []Finding

func (f *findings) add(flaw Flaw, origin envelope.Origin, at *link, text string) {
	n := Finding{Flaw: flaw, Topic: at.topic.Name(origin), Offset: at.offset, Text: text[:min(len(text), flawTextMax)]}
	if !at.position.IsZero() {
		n.Position = at.position.String()
	}
	*f = append(*f, n)
}

func flawOf(err error) Flaw {
	switch fault.ReasonOf(err) {
	case envelope.ReasonTampered, envelope.ReasonUnknownKey:
		return Forged
	case envelope.ReasonUnknownSchema, envelope.ReasonUnknownVersion:
		return Unknown
	}
	return Garbled
}

// foreign says why a record is not of this direction, "" if it is. The first one says which life of the ledger is the present one.
func (l *Links) foreign(r *envelope.Record) Flaw {
	if r.Origin != l.origin || r.Ledger != l.ledger {
		return Foreign
	}
	if l.life == 0 {
		l.life, l.lives = r.Life, r.Incarnation
	}
	if r.Life != l.life || r.Incarnation != l.lives {
		return OtherLife
	}
	return ""
}

// beat notes up to where a topic has everything. It names the record there by its tag.
func (l *Links) beat(at *link, f *findings) {
	if tag, known := l.recent[at.position]; known && !at.previousTag.IsZero() && at.previousTag != tag {
		f.add(BadBeat, l.origin, at, "")
	}
	if was := l.beats[at.topic]; was == nil || was.position.Before(at.position) {
		l.beats[at.topic] = at
	}
	if l.begun {
		return
	}
	var begin link
	for _, b := range l.beats {
		if b == nil {
			return
		}
		if !b.position.Before(begin.position) {
			begin = *b
		}
	}
	l.begun, l.at = true, link{position: begin.position, tag: begin.previousTag}
	l.forgetPast()
}

// forgetPast leaves out what waits and lies at or before the present place.
func (l *Links) forgetPast() {
	for previous, waiting := range l.ahead {
		if !l.at.position.Before(waiting.position) {
			delete(l.ahead, previous)
		}
	}
}

// record puts a record where it belongs.
func (l *Links) record(at *link, f *findings) {
	tag, known := l.recent[at.position]
	waiting, waits := l.ahead[at.previous]
	switch {
	case known && tag == at.tag, waits && waiting.tag == at.tag:
		l.Doubles++
		return
	case known, waits:
		f.add(Forked, l.origin, at, "")
		return
	case l.begun && !l.at.position.Before(at.position):
		if l.Records > 0 && !l.beyondMemory(at.position) {
			f.add(Forked, l.origin, at, "no record was there for its place")
		}
		return
	}
	if at.position.Before(l.last[at.topic]) {
		f.add(OutOfOrder, l.origin, at, "behind "+l.last[at.topic].String())
	} else {
		l.last[at.topic] = at.position
	}
	if len(l.ahead) >= AheadMax {
		f.add(Crowded, l.origin, at, "")
		return
	}
	l.ahead[at.previous] = *at
}

// beyondMemory reports whether a place lies before all that is known by its tag.
func (l *Links) beyondMemory(p envelope.Position) bool {
	oldest := 0
	if len(l.ring) == RecentMax {
		oldest = l.next
	}
	return len(l.ring) == 0 || p.Before(l.ring[oldest])
}

// advance follows the chain as far as it is there. What all three topics say that they have, and have not, is lost; the chain goes on at
// the first record behind.
func (l *Links) advance(f *findings) {
	for {
		next, there := l.ahead[l.at.position]
		switch {
		case there:
			if next.previousTag != l.at.tag && !l.at.tag.IsZero() {
				f.add(Unlinked, l.origin, &next, "")
			}
			delete(l.ahead, l.at.position)
			l.pass(&next)
		case l.gone():
			f.add(Lost, l.origin, &l.at, "the record behind this place")
			l.jump()
		default:
			return
		}
	}
}

// pass makes a record the present place.
func (l *Links) pass(next *link) {
	l.at = *next
	l.Records++
	if len(l.ring) < RecentMax {
		l.ring = append(l.ring, next.position)
	} else {
		delete(l.recent, l.ring[l.next])
		l.ring[l.next] = next.position
		l.next = (l.next + 1) % RecentMax
	}
	l.recent[next.position] = next.tag
}

// gone reports whether all topics say that they have more than what was found.
func (l *Links) gone() bool {
	for _, b := range l.beats {
		if b == nil || !l.at.position.Before(b.position) {
			return false
		}
	}
	return true
}

// jump goes on behind a gap: before the first record that waits, or where all topics have everything.
func (l *Links) jump() {
	to := link{position: l.beats[0].position, tag: l.beats[0].previousTag}
	for _, b := range l.beats {
		if b.position.Before(to.position) {
			to = link{position: b.position, tag: b.previousTag}
		}
	}
	for previous, waiting := range l.ahead {
		if l.at.position.Before(previous) && previous.Before(to.position) {
			to = link{position: previous, tag: waiting.previousTag}
		}
	}
	l.at = to
	l.forgetPast()
}
