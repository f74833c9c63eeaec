// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"iter"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// Genesis is what all nodes of a membership epoch begin from.
type Genesis struct {
	Voters []chain.ValidatorNo
	Height chain.Height // the last one of the epoch before; 0 for the first epoch
	TimeUs uint64       // of its block, or of the network's genesis: no block lies at or below it
}

// size is the length of a table by validator number.
func (g Genesis) size() int {
	n := 0
	for _, v := range g.Voters {
		n = max(n, int(v)+1)
	}
	return n
}

// base is the entry that all logs begin behind.
func (g Genesis) base() base {
	b := base{index: 1, term: 1, height: g.Height, timeUs: g.TimeUs}
	for _, v := range g.Voters {
		b.conf.Voters = append(b.conf.Voters, raftID(v))
	}
	return b
}

// Start is where the host's state stands when the log is read.
type Start struct {
	Height chain.Height // proposals above it are decided again
	// Fetched is the height of a checkpoint that the host took from a peer: the log may end below it. Zero if the host
	// executed all it has.
	Fetched chain.Height
	// Load reads a record's entries back; without it all entries stay in memory.
	Load func(seglog.Pos) ([]pb.Entry, error)
}

// Recovered is what a log told.
type Recovered struct {
	storage *storage
	trail   trail
	from    chain.Height
	applied uint64 // index of the newest entry at or below from
	decided mark   // of that entry
}

// replay puts the records of a log together again.
type replay struct {
	start   Start
	storage *storage
	marks   []mark // of the storage's slots; those without a proposal have height 0
	based   bool   // the storage's base is known; else its index is where the records happen to begin
}

// Recover reads a log's records, oldest first.
func Recover(g Genesis, start Start, records iter.Seq2[seglog.Pos, Record]) (*Recovered, error) {
	boot := g.base()
	r := replay{start: start, storage: &storage{load: start.Load, bytesMax: cacheBytesMax, hard: pb.HardState{Term: boot.term, Commit: boot.index}}}
	for at, rec := range records {
		l, err := decodeRecord(rec.Kind, rec.Meta, rec.Payload)
		if err == nil {
			err = r.add(at, &l)
		}
		if err != nil {
			return nil, err
		}
	}
	if !r.based {
		if len(r.marks) > 0 && r.storage.base.index != boot.index {
			return nil, fault.New(fault.Corrupt, "the ordering log begins with entry %d and nothing says what was before it", r.storage.base.index+1)
		}
		r.storage.base = boot
	}
	return r.finish()
}

func (r *replay) add(at seglog.Pos, l *logged) error {
	r.storage.hard = l.hard
	switch l.kind {
	case recordInstall:
		r.storage.install(l.base, at)
		r.marks, r.based = nil, true
		return nil
	case recordBase:
		return r.addBase(l.base, at)
	}
	for i := range l.entries {
		if err := r.addEntry(&l.entries[i], at); err != nil {
			return err
		}
	}
	return nil
}

// addBase takes a base over, unless the entries behind it are gone already: then a later one stands for them.
func (r *replay) addBase(b base, at seglog.Pos) error {
	s := r.storage
	switch {
	case b.index < s.base.index && !r.based:
		return nil
	case b.index < s.base.index || (len(r.marks) > 0 && b.index > s.last()):
		return fault.New(fault.Corrupt, "the ordering log holds entries %d to %d, but was cut at %d", s.base.index+1, s.last(), b.index)
	case len(r.marks) == 0:
		s.install(b, at)
	default:
		r.marks = r.marks[b.index-s.base.index:]
		s.setBase(b, at)
	}
	r.based = true
	return nil
}

func (r *replay) addEntry(e *pb.Entry, at seglog.Pos) error {
	s := r.storage
	begins := len(r.marks) == 0 && (!r.based || e.Index > s.base.index+1)
	if begins || (!r.based && e.Index <= s.base.index) {
		s.install(base{index: e.Index - 1}, at)
		r.marks, r.based = nil, false
	}
	if e.Index <= s.base.index {
		return fault.New(fault.Corrupt, "ordering log: entry %d comes after the log was cut at %d", e.Index, s.base.index)
	}
	if err := s.append([]pb.Entry{*e}, at); err != nil {
		return err
	}
	m := mark{term: e.Term}
	if len(e.Data) > 0 {
		p, err := codec.DecodeProposal(e.Data)
		if err != nil {
			return fault.Wrap(fault.Corrupt, err, "ordering log: entry %d", e.Index)
		}
		m.height, m.timeUs = p.Height, p.TimeUs
		if p.Height > r.start.Height {
			m.proposal = p
		}
	}
	r.marks = append(r.marks[:e.Index-s.base.index-1], m)
	return nil
}

// finish checks that the entries follow each other, and finds where the host's state stands among them.
func (r *replay) finish() (*Recovered, error) {
	s := r.storage
	t := newTrail(&s.base)
	for i, m := range r.marks {
		before := t.tail()
		if m.term < before.term {
			return nil, fault.New(fault.Corrupt, "ordering log: entry %d has term %d after term %d", s.base.index+1+uint64(i), m.term, before.term)
		}
		if m.height == 0 {
			m.height, m.timeUs = before.height, before.timeUs
		} else if m.height != before.height+1 || m.timeUs <= before.timeUs {
			return nil, fault.New(fault.Corrupt, "ordering log: height %d at time %d follows height %d at time %d", m.height, m.timeUs, before.height, before.timeUs)
		}
		t.marks = append(t.marks, m)
	}
	if s.hard.Term < t.tail().term {
		return nil, fault.New(fault.Corrupt, "ordering log: its term is %d, its newest entry's %d", s.hard.Term, t.tail().term)
	}
	s.hard.Commit = min(max(s.hard.Commit, s.base.index), t.last())
	return place(s, t, r.start)
}

// place finds the host's state in the log. What the host executed was decided, though the log may not have heard of it.
func place(s *storage, t trail, start Start) (*Recovered, error) {
	rec := &Recovered{storage: s, trail: t, from: start.Height}
	last := t.tail().height
	switch {
	case start.Height < s.base.height:
		return nil, fault.New(fault.Corrupt, "the ordering log begins at height %d, the state ends at %d: heights between are missing", s.base.height+1, start.Height)
	case start.Height > last && start.Height > start.Fetched:
		return nil, fault.New(fault.Corrupt, "the ordering log ends at height %d, the state is already at %d: restore the folder from a copy, or join again as a new validator", last, start.Height)
	case start.Height > last:
		rec.applied = s.hard.Commit
	default:
		rec.applied, _ = t.indexOf(start.Height)
		s.hard.Commit = max(s.hard.Commit, rec.applied)
	}
	rec.decided, _ = t.at(rec.applied)
	for i := range t.marks[:rec.applied-t.base+1] {
		t.marks[i].proposal = nil
	}
	return rec, nil
}

// Decided lists the proposals above the host's height of which the log knows that they are decided.
func (r *Recovered) Decided() (list []*chain.Proposal) {
	for i := range r.trail.marks {
		if p := r.trail.marks[i].proposal; p != nil && r.trail.base+uint64(i) <= r.storage.hard.Commit {
			list = append(list, p)
		}
	}
	return list
}

// Last is the height of the newest proposal in the log; it may not be decided.
func (r *Recovered) Last() chain.Height { return r.trail.tail().height }
