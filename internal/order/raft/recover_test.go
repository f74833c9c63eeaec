// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"iter"
	"testing"
	"time"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

func sequence(records []Record) iter.Seq2[seglog.Pos, Record] {
	return func(yield func(seglog.Pos, Record) bool) {
		for i, r := range records {
			if !yield(seglog.Pos{Segment: uint64(i + 1), Seq: uint64(i + 1)}, r) {
				return
			}
		}
	}
}

// rec is a record of one entry; height 0 means an entry without a proposal.
func rec(index, term uint64, height chain.Height, timeUs uint64) Record {
	e := pb.Entry{Index: index, Term: term}
	if height > 0 {
		e = proposalEntry(index, term, height, timeUs)
	}
	return encodeEntries(pb.HardState{Term: term, Commit: index - 1}, []pb.Entry{e})
}

func baseRec(kind uint8, index, term uint64, height chain.Height) Record {
	return encodeBase(kind, pb.HardState{Term: 3, Commit: index}, &base{
		index: index, term: term, height: height, timeUs: uint64(height) * 10, conf: pb.ConfState{Voters: []uint64{1, 2, 3}},
	})
}

func TestRecover(t *testing.T) {
	three := []Record{rec(2, 2, 0, 0), rec(3, 2, 1, 10), rec(4, 2, 2, 20), rec(5, 2, 3, 30)}
	for _, c := range []struct {
		name           string
		records        []Record
		start          Start
		first, last    uint64
		height         chain.Height
		commit         uint64
		applied        uint64
		decidedAgain   int
		corruptInstead bool
	}{
		{name: "nothing", first: 2, last: 1, commit: 1, applied: 1},
		{name: "three heights", records: three, first: 2, last: 5, height: 3, commit: 4, applied: 1, decidedAgain: 2},
		{name: "a state in the middle", records: three, start: Start{Height: 1}, first: 2, last: 5, height: 3, commit: 4, applied: 3, decidedAgain: 1},
		{name: "a state that knows more than the log", records: three, start: Start{Height: 3}, first: 2, last: 5, height: 3, commit: 5, applied: 5},
		{name: "an overwritten tail", records: append(three[:3:3], rec(3, 3, 1, 15)), first: 2, last: 3, height: 1, commit: 2, applied: 1},
		{name: "a commit beyond the log", records: append(three[:1:1], encodeEntries(pb.HardState{Term: 2, Commit: 99}, nil)), first: 2, last: 2, commit: 2, applied: 1},
		{name: "a base", records: append(three[:4:4], baseRec(recordBase, 4, 2, 2)), start: Start{Height: 2}, first: 5, last: 5, height: 3, commit: 4, applied: 4},
		{name: "a base whose entries are gone", records: []Record{rec(5, 2, 3, 30), baseRec(recordBase, 4, 2, 2)}, start: Start{Height: 2}, first: 5, last: 5, height: 3, commit: 4, applied: 4},
		{name: "an old base before a gap", records: []Record{baseRec(recordBase, 2, 2, 0), rec(5, 2, 3, 30), baseRec(recordBase, 4, 2, 2)}, start: Start{Height: 2}, first: 5, last: 5, height: 3, commit: 4, applied: 4},
		{name: "an old base after a gap", records: []Record{rec(5, 2, 3, 30), baseRec(recordBase, 2, 2, 0), baseRec(recordBase, 4, 2, 2)}, start: Start{Height: 2}, first: 5, last: 5, height: 3, commit: 4, applied: 4},
		{name: "overwritten before the base is known", records: []Record{rec(7, 2, 5, 50), rec(5, 3, 3, 35), baseRec(recordBase, 4, 2, 2)}, start: Start{Height: 2}, first: 5, last: 5, height: 3, commit: 4, applied: 4},
		{name: "an install", records: append(three[:2:2], baseRec(recordInstall, 9, 3, 7), rec(10, 3, 8, 90)), start: Start{Height: 7}, first: 10, last: 10, height: 8, commit: 9, applied: 9},
		{name: "a fetched state above the log", records: three, start: Start{Height: 50, Fetched: 50}, first: 2, last: 5, height: 3, commit: 4, applied: 4},

		{name: "a state above the log", records: three, start: Start{Height: 4}, corruptInstead: true},
		{name: "a state above nothing", start: Start{Height: 1}, corruptInstead: true},
		{name: "a state below the base", records: append(three[:4:4], baseRec(recordBase, 4, 2, 2)), start: Start{Height: 1}, corruptInstead: true},
		{name: "a gap", records: []Record{rec(2, 2, 0, 0), rec(4, 2, 1, 10)}, corruptInstead: true},
		{name: "a beginning that nothing explains", records: []Record{rec(5, 2, 3, 30)}, corruptInstead: true},
		{name: "a base beyond the log", records: append(three[:2:2], baseRec(recordBase, 9, 2, 7)), corruptInstead: true},
		{name: "bases that fall", records: append(three[:4:4], baseRec(recordBase, 4, 2, 2), baseRec(recordBase, 3, 2, 1)), corruptInstead: true},
		{name: "an entry below the base", records: append(three[:4:4], baseRec(recordBase, 4, 2, 2), rec(3, 3, 1, 10)), corruptInstead: true},
		{name: "a height left out", records: []Record{rec(2, 2, 1, 10), rec(3, 2, 3, 20)}, corruptInstead: true},
		{name: "time that stands still", records: []Record{rec(2, 2, 1, 10), rec(3, 2, 2, 10)}, corruptInstead: true},
		{name: "terms that fall", records: []Record{rec(2, 3, 1, 10), rec(3, 2, 2, 20)}, corruptInstead: true},
		{name: "a term below the entries'", records: []Record{encodeEntries(pb.HardState{Term: 1}, []pb.Entry{proposalEntry(2, 2, 1, 10)})}, corruptInstead: true},
		{name: "no proposal", records: []Record{encodeEntries(pb.HardState{Term: 1}, []pb.Entry{{Index: 2, Term: 1, Data: []byte("x")}})}, corruptInstead: true},
		{name: "no record", records: []Record{{Kind: 77}}, corruptInstead: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Recover(Genesis{Voters: voters(3)}, c.start, sequence(c.records))
			if c.corruptInstead {
				if !fault.Is(err, fault.Corrupt) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			first, _ := r.storage.FirstIndex()
			if first != c.first || r.storage.last() != c.last || r.trail.last() != c.last || r.Last() != c.height ||
				r.storage.hard.Commit != c.commit || r.applied != c.applied || len(r.Decided()) != c.decidedAgain {
				t.Errorf("entries %d to %d (%d), height %d, commit %d, applied %d, %d decided again", first, r.storage.last(),
					r.trail.last(), r.Last(), r.storage.hard.Commit, r.applied, len(r.Decided()))
			}
			cfg := simConfig(&simNode{})
			if _, err := NewCore(cfg, r); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStorageReadsOldEntriesFromTheLog keeps less in memory than it is asked for.
func TestStorageReadsOldEntriesFromTheLog(t *testing.T) {
	log := openLog(t, faultfs.New(), "/order")
	defer log.Close()
	s := &storage{base: Genesis{Voters: voters(1)}.base(), load: decodeLoaded(log), bytesMax: 2000}
	write := func(entries ...pb.Entry) seglog.Pos {
		r := encodeEntries(pb.HardState{Term: 1}, entries)
		b, err := log.Buffer(t.Context(), len(r.Payload))
		if err != nil {
			t.Fatal(err)
		}
		copy(b.Payload(), r.Payload)
		if err := b.SetMeta(r.Kind, r.Meta); err != nil {
			t.Fatal(err)
		}
		at := make(chan seglog.Pos, 1)
		if err := log.Append(t.Context(), b, func(p seglog.Pos, err error) { at <- p }); err != nil {
			t.Fatal(err)
		}
		return <-at
	}
	entry := func(index, term uint64) pb.Entry {
		return pb.Entry{Index: index, Term: term, Data: codec.AppendProposal(nil, &chain.Proposal{Height: chain.Height(index), Term: term})}
	}
	for i := uint64(2); i < 100; i += 2 {
		pair := []pb.Entry{entry(i, 1), entry(i+1, 1)}
		if err := s.append(pair, write(pair...)); err != nil {
			t.Fatal(err)
		}
	}
	twice := []pb.Entry{entry(60, 2), entry(61, 2), entry(60, 3)} // a record that overwrites itself
	if err := s.append(twice, write(twice...)); err != nil {
		t.Fatal(err)
	}
	for i := uint64(61); i < 120; i++ {
		if err := s.append([]pb.Entry{entry(i, 3)}, write(entry(i, 3))); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.cache) > 60 || s.cached() < 70 {
		t.Errorf("%d entries are in memory", len(s.cache))
	}
	checkEntries := func(lo, hi, sizeMax uint64, most int) {
		t.Helper()
		got, err := s.Entries(lo, hi, sizeMax)
		if err != nil || len(got) == 0 || len(got) > most {
			t.Fatalf("%d to %d: %d entries, %v", lo, hi, len(got), err)
		}
		for i, e := range got {
			term, err := s.Term(e.Index)
			if e.Index != lo+uint64(i) || e.Term != term || err != nil || (e.Index >= 60) != (term == 3) {
				t.Errorf("entry %d of %d to %d is %v", i, lo, hi, e)
			}
		}
	}
	checkEntries(2, 120, 1<<20, 118)
	checkEntries(55, 65, 1<<20, 10)
	checkEntries(55, 65, 0, 1)
	checkEntries(110, 120, 1<<20, 10)
	checkEntries(110, 120, 0, 1)
	if _, err := s.Entries(1, 5, 1); err != etcd.ErrCompacted {
		t.Errorf("before the base: %v", err)
	}
	if _, err := s.Entries(110, 200, 1); err != etcd.ErrUnavailable {
		t.Errorf("behind the end: %v", err)
	}

	s.setBase(base{index: 58, term: 1}, write())
	checkEntries(59, 62, 1<<20, 3)
	if first, _ := s.FirstIndex(); first != 59 {
		t.Errorf("the first entry is %d", first)
	}
	for index, want := range map[uint64]error{57: etcd.ErrCompacted, 58: nil, 119: nil, 120: etcd.ErrUnavailable} {
		if _, err := s.Term(index); err != want {
			t.Errorf("term of %d: %v", index, err)
		}
	}
	if err := s.append([]pb.Entry{entry(50, 1)}, seglog.Pos{}); err != nil || s.last() != 119 {
		t.Errorf("an entry below the base: %v, the last is %d", err, s.last())
	}
	if err := s.append([]pb.Entry{entry(130, 9)}, seglog.Pos{}); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a gap: %v", err)
	}
	s.slots[0].at.Segment = 99
	if _, err := s.Entries(59, 60, 1); err == nil {
		t.Error("a record that is not there was read")
	}
	s.slots[0] = slot{term: 8, at: s.slots[1].at}
	if _, err := s.Entries(59, 60, 1); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a record that holds something else: %v", err)
	}
	s.slots[0].at = write()
	if _, err := s.Entries(59, 60, 1); err == nil {
		t.Error("a record without entries was read")
	}
}

// TestLaterEpoch orders in a later membership epoch: behind the last height of the one before, among numbers with a gap.
func TestLaterEpoch(t *testing.T) {
	g := Genesis{Voters: []chain.ValidatorNo{3}, Height: 40, TimeUs: 4_000}
	if g.size() != 4 {
		t.Errorf("tables have %d places", g.size())
	}
	log := openLog(t, faultfs.New(), "/order")
	defer log.Close()
	e, err := Open(t.Context(), log, 40, Config{Self: 3, Genesis: g, ElectionTicks: 2, HeartbeatTicks: 1, TickInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	if err := e.Offer(chain.Hash{7}); err != nil {
		t.Fatal(err)
	}
	p := <-e.Decided()
	if p.Height != 41 || p.TimeUs <= g.TimeUs || len(p.Entries) != 1 {
		t.Errorf("%+v", p)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), log, 39, Config{Self: 3, Genesis: g}); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a state of the epoch before: %v", err)
	}
}
