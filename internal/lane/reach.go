// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// reach follows how far the log is executed. The lanes execute each in its own order and lie mixed in one log, so what is
// executed is no prefix of it; a checkpoint names the last record before which, and with which, all is.
type reach struct {
	self     chain.ValidatorNo
	at       seglog.Pos
	tip      chain.Hash // of the own lane
	executed []uint64   // by lane
	records  []record   // behind at, in log order: record i has sequence at.Seq+1+i in the log
}

type record struct {
	pos      seglog.Pos
	lane     chain.ValidatorNo
	sequence uint64
}

func newReach(cfg Config, p Position) reach {
	r := reach{self: cfg.Validator, at: p.Pos, tip: p.Tip, executed: make([]uint64, max(len(cfg.Lanes), int(cfg.Validator)+1))}
	for v, at := range cfg.Lanes {
		r.executed[v] = at.Sequence
	}
	r.executed[cfg.Validator] = p.Sequence
	return r
}

// note takes a record that became durable. They come in log order.
func (r *reach) note(s *Stored) {
	r.records = append(r.records, record{s.Pos, s.Entry.Validator, s.Entry.Sequence})
	r.advance()
}

// pass says that entries were executed.
func (r *reach) pass(entries []*Stored) {
	for _, s := range entries {
		r.executed[s.Entry.Validator] = s.Entry.Sequence
		if s.Entry.Validator == r.self {
			r.tip = s.Digest
		}
	}
	r.advance()
}

// advance moves over records whose place in their lane is executed: by them, or by another branch of a lane that forked.
func (r *reach) advance() {
	done := 0
	for done < len(r.records) && r.records[done].sequence <= r.executed[r.records[done].lane] {
		r.at = r.records[done].pos
		done++
	}
	r.records = r.records[done:]
}

func (r *reach) position() Position {
	return Position{Sequence: r.executed[r.self], Tip: r.tip, Pos: r.at}
}

// Executed says that entries were executed, and returns how far the lanes are then.
func (l *Lane) Executed(entries []*Stored) Position {
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	l.reach.pass(entries)
	for _, s := range entries {
		l.recent.add(s)
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
