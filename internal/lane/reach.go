// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// reach follows how far the log is executed. The lanes execute each in its own order and lie mixed in one log, so what is
// executed is no prefix of it; a checkpoint names the last record before which, and with which, all is: executed, or lying
// once more behind it.
type reach struct {
	self     chain.ValidatorNo
	tip      chain.Hash // of the own lane
	executed []passed   // by lane
	last     seglog.Pos // newest record
	pending  []pending  // records that are not executed, in log order: as many as the lanes let wait
}

// passed is how far a lane is executed. Entries of an earlier epoch of their owner are never executed any more.
type passed struct {
	epoch    chain.Epoch
	sequence uint64
}

func (p passed) has(epoch chain.Epoch, sequence uint64) bool {
	return epoch < p.epoch || epoch == p.epoch && sequence <= p.sequence
}

// pending is a record that is not executed.
type pending struct {
	seq      uint64     // of the record in the log
	before   seglog.Pos // the record in front of it
	lane     chain.ValidatorNo
	epoch    chain.Epoch
	sequence uint64
}

func newReach(cfg Config, p Position) reach {
	r := reach{self: cfg.Validator, last: p.Pos, tip: p.Tip, executed: make([]passed, max(len(cfg.Lanes), int(cfg.Validator)+1))}
	for v, at := range cfg.Lanes {
		r.executed[v] = passed{at.Epoch, at.Sequence}
	}
	r.executed[cfg.Validator] = passed{cfg.JoinEpoch, p.Sequence}
	return r
}

// note takes a record that became durable. They come in log order. One whose place in its lane is executed needs nobody to
// wait for it: it was fetched again, or is another branch of a lane that forked.
func (r *reach) note(s *Stored) {
	if e := &s.Entry; !r.executed[e.Validator].has(e.JoinEpoch, e.Sequence) {
		r.pending = append(r.pending, pending{s.Pos.Seq, r.last, e.Validator, e.JoinEpoch, e.Sequence})
	}
	r.last = s.Pos
}

// moved says that what lies in a record lies in a later one, too.
func (r *reach) moved(seq uint64) {
	r.pending = slices.DeleteFunc(r.pending, func(p pending) bool { return p.seq == seq })
}

// pass says that entries were executed.
func (r *reach) pass(entries []*Stored) {
	for _, s := range entries {
		r.executed[s.Entry.Validator] = passed{s.Entry.JoinEpoch, s.Entry.Sequence}
		if s.Entry.Validator == r.self {
			r.tip = s.Digest
		}
	}
	r.pending = slices.DeleteFunc(r.pending, func(p pending) bool { return r.executed[p.lane].has(p.epoch, p.sequence) })
}

// position is how far all is executed: up to the record in front of the oldest that is not.
func (r *reach) position() Position {
	p := Position{Sequence: r.executed[r.self].sequence, Tip: r.tip, Pos: r.last}
	if len(r.pending) > 0 {
		p.Pos = r.pending[0].before
	}
	return p
}

// Executed says that entries were executed, and returns how far the lanes are then.
func (l *Lane) Executed(entries []*Stored) Position {
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	l.reach.pass(entries)
	for _, s := range entries {
		l.recent.add(s)
		l.older.add(s.Digest, s.Pos)
	}
	return l.reach.position()
}

// recentMax bounds the executed entries that are remembered, for ordering that decides one again and for peers that are
// behind. Some 2 MB.
const recentMax = 8192

// recent remembers where entries lie that were executed lately. Its zero value is empty.
type recent struct {
	places map[chain.Hash]*Stored
	ring   []chain.Hash
	next   int
}

func (r *recent) add(s *Stored) {
	if r.places == nil {
		r.places = make(map[chain.Hash]*Stored)
	}
	if len(r.ring) < recentMax {
		r.ring = append(r.ring, s.Digest)
	} else {
		delete(r.places, r.ring[r.next])
		r.ring[r.next] = s.Digest
		r.next = (r.next + 1) % recentMax
	}
	r.places[s.Digest] = &Stored{Entry: s.Entry, Digest: s.Digest, Pos: s.Pos, Executed: true}
}

func (r *recent) find(digest chain.Hash) (*Stored, bool) {
	s, ok := r.places[digest]
	return s, ok
}
