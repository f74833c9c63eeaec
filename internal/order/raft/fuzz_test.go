// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"encoding/binary"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
)

var fuzzRoles = []string{"blank", "follower", "leader", "candidate", "prevote"}

// tamer brings a fuzzer's numbers near those that mean something, most of the time.
type tamer struct{ b []byte }

func (t *tamer) byte() byte {
	if len(t.b) == 0 {
		return 0
	}
	v := t.b[0]
	t.b = t.b[1:]
	return v
}

func (t *tamer) number() uint64 {
	switch v := t.byte(); {
	case v < 200:
		return uint64(v % 16)
	case v < 210:
		return 1<<62 - uint64(v%4)
	case v < 220:
		return 1<<64 - 1 - uint64(v%4)
	default:
		return uint64(v) << (v % 57)
	}
}

func (t *tamer) entry(index uint64) pb.Entry {
	e := pb.Entry{Index: index, Term: 1 + t.number()%4}
	switch v := t.byte(); {
	case v < 60: // empty
	case v < 200:
		e = proposalEntry(e.Index, e.Term, chain.Height(t.number()), 1+t.number())
	case v < 220:
		e.Data = []byte{v, v}
	case v < 240:
		e.Type = pb.EntryType(v % 4)
	default:
		e.Index = t.number()
	}
	return e
}

func (t *tamer) message() pb.Message {
	m := pb.Message{
		Type: pb.MessageType(t.byte() % 26), To: 1, From: 2 + uint64(t.byte()%2), Term: t.number(), LogTerm: t.number() % 4,
		Index: t.number(), Commit: t.number(), Reject: t.byte()%4 == 0, RejectHint: t.number(),
	}
	for i := range t.byte() % 4 {
		m.Entries = append(m.Entries, t.entry(m.Index+1+uint64(i)))
	}
	if m.Type == pb.MsgSnap || t.byte() == 7 {
		b := base{index: t.number(), term: t.number() % 4, height: chain.Height(t.number()), timeUs: t.number(), conf: pb.ConfState{Voters: []uint64{1, 2, 3}}}
		s := b.snapshot()
		m.Snapshot = &s
	}
	if t.byte() == 9 {
		m.Context = []byte("CampaignTransfer")
	}
	return m
}

// feed gives a core what the bytes mean, and lets it work in between.
func feed(t *testing.T, s stage, data []byte) {
	in := &tamer{data}
	for range 40 {
		if len(in.b) == 0 {
			break
		}
		switch v := in.byte(); {
		case v < 180:
			m := in.message()
			from := validator(m.From)
			s.lenient(t, Received{From: from, Message: Message{Raft: &m}})
		case v < 190:
			f := &Forward{Incarnation: in.number(), Low: in.number(), NudgeTo: in.number(), Digests: make([]chain.Hash, in.byte()%5)}
			f.Start = f.Low + in.number()%4
			s.lenient(t, Received{From: chain.ValidatorNo(in.number()), Message: Message{Forward: f}})
		case v < 210:
			s.lenient(t, Tick{}, Tick{}, Tick{})
		case v < 225:
			s.lenient(t, Offered{chain.Hash{v}}, Cut{NowUs: in.number()})
		case v < 245:
			for len(s.unacked) > 0 {
				r := s.unacked[0]
				s.unacked = s.unacked[1:]
				s.lenient(t, Appended{s.w.write(s.simNode, r)})
			}
		default:
			s.lenient(t, Delivered{chain.Height(in.number() % 16)}, Fetched{Height: chain.Height(in.number()), OK: true})
		}
	}
}

// lenient steps the core like world.step, but what it decides is what liars made of it: only that it follows counts.
func (s stage) lenient(t *testing.T, inputs ...Input) {
	t.Helper()
	before := s.core.Status()
	out, err := s.core.Step(inputs...)
	if err != nil {
		t.Fatalf("a peer halted the node: %v", err)
	}
	s.unacked = append(s.unacked, out.Append...)
	after := s.core.Status()
	if after.Term < before.Term || after.Height < before.Height {
		t.Fatalf("from %+v to %+v", before, after)
	}
	height := before.Height
	for i, p := range out.Decided {
		if i == 0 {
			height = p.Height - 1 // behind a snapshot
		}
		if height++; p.Height != height || p.Height > after.Height {
			t.Fatalf("decided %d of %d heights as %d, then at %d", i, len(out.Decided), p.Height, after.Height)
		}
	}
	for _, e := range out.Send {
		if _, err := ParseFrame(e.Frame); err != nil {
			t.Fatal(err)
		}
	}
}

// survives checks that the disk of a node that was lied to can still be read.
func (s stage) survives(t *testing.T) {
	t.Helper()
	for len(s.unacked) > 0 {
		r := s.unacked[0]
		s.unacked = s.unacked[1:]
		s.lenient(t, Appended{s.w.write(s.simNode, r)})
	}
	base := s.core.storage.base.height
	if _, err := Recover(Genesis{Voters: voters(3)}, Start{Height: base}, s.log()); err != nil {
		t.Fatalf("the log does not open again: %v", err)
	}
}

// FuzzPeersMessages feeds arbitrary messages of authenticated peers into a core in every role: no panic, no halt, no
// term or height that falls, no gap, and a log that opens again.
func FuzzPeersMessages(f *testing.F) {
	for i := range fuzzRoles {
		f.Add(uint8(i), []byte{0, 8, 0, 2, 2, 7, 8, 0, 0, 1, 100})
		f.Add(uint8(i), []byte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
	}
	for seed := range uint64(40) { // pseudo-random bytes, so that a plain test run already goes deep
		var b []byte
		for k := range uint64(60) {
			b = binary.BigEndian.AppendUint64(b, (seed*1_000_003+k)*0x9E3779B97F4A7C15)
		}
		f.Add(uint8(seed), b)
	}
	f.Fuzz(func(t *testing.T, role uint8, data []byte) {
		s := newStage(t, fuzzRoles[int(role)%len(fuzzRoles)])
		feed(t, s, data)
		s.survives(t)
	})
}

// FuzzParseFrame reads arbitrary frames, and writes again what it could read.
func FuzzParseFrame(f *testing.F) {
	f.Add(AppendFrame(nil, Message{Raft: &pb.Message{Type: pb.MsgApp, From: 2, To: 1, Term: 3, Entries: []pb.Entry{proposalEntry(2, 1, 1, 1)}}}))
	f.Add(AppendFrame(nil, Message{Forward: &Forward{Incarnation: 1, Low: 2, Start: 3, NudgeTo: 4, Digests: []chain.Hash{{5}}}}))
	f.Add([]byte{frameRaft, 14<<3 | 2, 2, 14<<3 | 2, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseFrame(b)
		if err != nil {
			return
		}
		again, err := ParseFrame(AppendFrame(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		if m.Raft != nil && m.Raft.String() != again.Raft.String() {
			t.Errorf("%v became %v", m.Raft, again.Raft)
		}
		if m.Raft != nil && len(m.Raft.Responses) > 0 {
			t.Error("messages are nested")
		}
		if m.Forward != nil && string(AppendFrame(nil, m)) != string(b) {
			t.Error("a forward has two forms")
		}
	})
}

// FuzzDecodeRecord reads arbitrary records.
func FuzzDecodeRecord(f *testing.F) {
	b := base{index: 4, term: 2, height: 1, timeUs: 5, conf: pb.ConfState{Voters: []uint64{1, 2}}, ref: []byte("ref")}
	for _, r := range []Record{encodeEntries(pb.HardState{Term: 2}, []pb.Entry{proposalEntry(2, 1, 1, 1)}), encodeBase(recordBase, pb.HardState{Term: 2}, &b)} {
		f.Add(r.Kind, r.Meta, r.Payload)
	}
	f.Fuzz(func(t *testing.T, kind uint8, meta, payload []byte) {
		l, err := decodeRecord(kind, meta, payload)
		if err != nil || kind >= recordBase {
			return
		}
		r := encodeEntries(l.hard, l.entries)
		again, err := decodeRecord(r.Kind, r.Meta, r.Payload)
		if err != nil || len(again.entries) != len(l.entries) || again.hard != l.hard {
			t.Errorf("%+v became %+v, %v", l, again, err)
		}
	})
}
