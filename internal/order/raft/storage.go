// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"errors"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// cacheBytesMax bounds the newest entries kept in memory; a peer that needs older ones makes them be read from the log.
const cacheBytesMax = 4 << 20

// storage is the durable part of the log as the library reads it. It belongs to the core's caller.
type storage struct {
	hard  pb.HardState // as of the start
	base  base
	slots []slot // of the entries after the base
	cache []pb.Entry
	bytes int // of cache
	// bytesMax bounds cache where load is set.
	bytesMax int

	baseAt seglog.Pos                           // record of the base; zero for the first one, which has none
	load   func(seglog.Pos) ([]pb.Entry, error) // reads a record's entries; nil keeps all in memory
}

// slot says where an entry lies.
type slot struct {
	term uint64
	at   seglog.Pos
}

var _ etcd.Storage = (*storage)(nil)

func (s *storage) last() uint64 { return s.base.index + uint64(len(s.slots)) }

// cached is the index of the oldest entry in memory.
func (s *storage) cached() uint64 { return s.last() + 1 - uint64(len(s.cache)) }

// append takes over entries that became durable at a position, instead of those that they overwrite.
func (s *storage) append(entries []pb.Entry, at seglog.Pos) error {
	for _, e := range entries {
		if e.Index <= s.base.index {
			continue // let go while it was being written
		}
		if e.Index > s.last()+1 {
			return fault.New(fault.Corrupt, "ordering log: entry %d follows entry %d", e.Index, s.last())
		}
		s.truncate(e.Index)
		s.slots = append(s.slots, slot{e.Term, at})
		s.cache = append(s.cache, e)
		s.bytes += e.Size()
	}
	if s.load != nil && s.bytes > s.bytesMax {
		s.shrink()
	}
	return nil
}

// truncate drops the entries from an index on. Handed out slices stay as they are.
func (s *storage) truncate(from uint64) {
	if from > s.last() {
		return
	}
	keep := 0
	if first := s.cached(); from > first {
		keep = int(from - first)
	}
	for _, e := range s.cache[keep:] {
		s.bytes -= e.Size()
	}
	s.cache = s.cache[:keep:keep]
	s.slots = s.slots[:from-s.base.index-1]
}

// shrink lets the older half of the cache go.
func (s *storage) shrink() {
	keep := len(s.cache) / 2
	s.cache = append(make([]pb.Entry, 0, len(s.cache)), s.cache[len(s.cache)-keep:]...)
	s.bytes = 0
	for i := range s.cache {
		s.bytes += s.cache[i].Size()
	}
}

// setBase makes b the base: entries up to it are let go, or all, if the log does not hold it.
func (s *storage) setBase(b base, at seglog.Pos) {
	drop := len(s.slots)
	if b.index <= s.last() {
		drop = int(b.index - s.base.index)
	}
	if kept := len(s.slots) - drop; kept < len(s.cache) {
		s.cache = append([]pb.Entry(nil), s.cache[len(s.cache)-kept:]...)
		s.bytes = 0
		for i := range s.cache {
			s.bytes += s.cache[i].Size()
		}
	}
	s.slots = append([]slot(nil), s.slots[drop:]...)
	s.base, s.baseAt = b, at
}

// install makes b the base and forgets every entry.
func (s *storage) install(b base, at seglog.Pos) {
	s.slots, s.cache, s.bytes = nil, nil, 0
	s.base, s.baseAt = b, at
}

// floor is the oldest segment that still holds something needed if the log began after index.
func (s *storage) floor(index uint64) uint64 {
	if i := index - s.base.index; i < uint64(len(s.slots)) {
		return s.slots[i].at.Segment
	}
	return s.baseAt.Segment
}

// InitialState gives what the log held at the start.
func (s *storage) InitialState() (pb.HardState, pb.ConfState, error) {
	return s.hard, s.base.conf, nil
}

// Entries gives entries lo to hi-1, fewer if they exceed sizeMax bytes, but at least one.
func (s *storage) Entries(lo, hi, sizeMax uint64) ([]pb.Entry, error) {
	if lo <= s.base.index {
		return nil, etcd.ErrCompacted
	}
	if hi > s.last()+1 || lo >= hi {
		return nil, etcd.ErrUnavailable
	}
	if first := s.cached(); lo >= first {
		return limited(s.cache[lo-first:hi-first], sizeMax), nil
	}
	return s.read(lo, min(hi, s.cached()), sizeMax)
}

// limited is the longest prefix of at most sizeMax bytes, and at least one entry.
func limited(entries []pb.Entry, sizeMax uint64) []pb.Entry {
	size := uint64(0)
	for i := range entries {
		size += uint64(entries[i].Size())
		if size > sizeMax && i > 0 {
			return entries[:i:i]
		}
	}
	return entries[:len(entries):len(entries)]
}

// read reads entries from the log.
func (s *storage) read(lo, hi, sizeMax uint64) ([]pb.Entry, error) {
	var out []pb.Entry
	size := uint64(0)
	var record []pb.Entry
	var at seglog.Pos
	for i := lo; i < hi; i++ {
		slot := s.slots[i-s.base.index-1]
		if slot.at != at || record == nil {
			var err error
			if record, err = s.load(slot.at); err != nil {
				return nil, err
			}
			at = slot.at
		}
		e, ok := find(record, i, slot.term)
		if !ok {
			return nil, fault.New(fault.Corrupt, "ordering log: record %d holds no entry %d of term %d", at.Seq, i, slot.term)
		}
		if size += uint64(e.Size()); size > sizeMax && len(out) > 0 {
			break
		}
		out = append(out, e)
	}
	return out, nil
}

// find gives an entry of a record: the last one of that index, for a record may overwrite itself.
func find(record []pb.Entry, index, term uint64) (pb.Entry, bool) {
	for i := len(record) - 1; i >= 0; i-- {
		if record[i].Index == index {
			return record[i], record[i].Term == term
		}
	}
	return pb.Entry{}, false
}

// Term gives the term of the entry at i.
func (s *storage) Term(i uint64) (uint64, error) {
	switch {
	case i < s.base.index:
		return 0, etcd.ErrCompacted
	case i == s.base.index:
		return s.base.term, nil
	case i > s.last():
		return 0, etcd.ErrUnavailable
	}
	return s.slots[i-s.base.index-1].term, nil
}

// LastIndex gives the index of the newest entry.
func (s *storage) LastIndex() (uint64, error) { return s.last(), nil }

// FirstIndex gives the index of the oldest entry that is there, or would be.
func (s *storage) FirstIndex() (uint64, error) { return s.base.index + 1, nil }

// Snapshot gives the base, for a peer that needs entries before it.
func (s *storage) Snapshot() (pb.Snapshot, error) { return s.base.snapshot(), nil }

// decodeLoaded is the load of a log of records.
func decodeLoaded(log *seglog.Log) func(seglog.Pos) ([]pb.Entry, error) {
	return func(at seglog.Pos) ([]pb.Entry, error) {
		rec, err := log.Read(at)
		if err != nil {
			return nil, err
		}
		l, err := decodeRecord(rec.Kind, rec.Meta, rec.Payload)
		if err == nil && len(l.entries) == 0 {
			err = errors.New("the record holds no entries")
		}
		return l.entries, err
	}
}
