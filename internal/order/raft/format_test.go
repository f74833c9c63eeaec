// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

func testBase() *base {
	return &base{index: 40, term: 3, height: 37, timeUs: 1_700_000, conf: pb.ConfState{Voters: []uint64{1, 2, 3, 4}}, ref: []byte("root")}
}

// TestGoldenBytes pins every record and frame that FORMAT.md draws.
func TestGoldenBytes(t *testing.T) {
	hard := pb.HardState{Term: 5, Vote: 2, Commit: 41}
	entries := []pb.Entry{{Index: 41, Term: 4}, proposalEntry(42, 5, 38, 1_800_000)}
	long := []pb.Entry{{Index: 43, Term: 5, Data: bytes.Repeat([]byte{7}, seglog.MetaBytesMax)}}
	snapshot := testBase().snapshot()
	var out bytes.Buffer
	for _, r := range []struct {
		name string
		Record
	}{
		{"hard state alone", encodeEntries(hard, nil)},
		{"entries", encodeEntries(hard, entries)},
		{"long entries", encodeEntries(hard, long)},
		{"base", encodeBase(recordBase, hard, testBase())},
		{"install", encodeBase(recordInstall, hard, testBase())},
	} {
		fmt.Fprintf(&out, "record %s: kind %d\n%x\n%x\n", r.name, r.Kind, r.Meta, r.Payload)
	}
	for _, m := range []struct {
		name string
		Message
	}{
		{"append", Message{Raft: &pb.Message{Type: pb.MsgApp, To: 2, From: 1, Term: 5, LogTerm: 4, Index: 41, Commit: 40, Entries: entries[1:]}}},
		{"snapshot", Message{Raft: &pb.Message{Type: pb.MsgSnap, To: 2, From: 1, Term: 5, Snapshot: &snapshot}}},
		{"forward", Message{Forward: &Forward{Incarnation: 9, Low: 3, Start: 4, NudgeTo: 39, Digests: []chain.Hash{{1}, {2}}}}},
	} {
		fmt.Fprintf(&out, "frame %s\n%x\n", m.name, AppendFrame(nil, m.Message))
	}
	testkit.Golden(t, "golden.txt", out.Bytes())
}

func TestRecordsReadBack(t *testing.T) {
	hard := pb.HardState{Term: 5, Vote: 2, Commit: 41}
	for _, n := range []int{0, 1, 2, 100} {
		var entries []pb.Entry
		for i := range n {
			entries = append(entries, proposalEntry(uint64(i+1), 5, chain.Height(i+1), uint64(i+1)))
		}
		r := encodeEntries(hard, entries)
		if fits := len(r.Payload) == 0; fits != (n <= 2) {
			t.Errorf("%d entries in the head page: %v", n, fits)
		}
		l, err := decodeRecord(r.Kind, r.Meta, r.Payload)
		if err != nil || l.hard != hard || !slices.EqualFunc(l.entries, entries, func(a, b pb.Entry) bool { return a.String() == b.String() }) {
			t.Errorf("%d entries came back as %+v, %v", n, l, err)
		}
	}
	r := encodeBase(recordInstall, hard, testBase())
	l, err := decodeRecord(r.Kind, r.Meta, nil)
	if err != nil || l.hard != hard || fmt.Sprint(l.base) != fmt.Sprint(*testBase()) {
		t.Errorf("a base came back as %+v, %v", l.base, err)
	}
}

func TestRecordsRefused(t *testing.T) {
	good := encodeEntries(pb.HardState{Term: 5}, []pb.Entry{proposalEntry(2, 1, 1, 1)})
	base := encodeBase(recordBase, pb.HardState{Term: 5}, testBase())
	changed := func(b []byte, at int, v byte) []byte {
		b = slices.Clone(b)
		b[at] = v
		return b
	}
	for _, c := range []struct {
		name string
		kind uint8
		meta []byte
	}{
		{"another kind", 9, good.Meta},
		{"no hard state", recordEntries, good.Meta[:20]},
		{"half an entry", recordEntries, good.Meta[:len(good.Meta)-1]},
		{"half an entry's head", recordEntries, good.Meta[:30]},
		{"another type of entry", recordEntries, changed(good.Meta, hardStateBytes, 1)},
		{"an entry without a term", recordEntries, changed(good.Meta, hardStateBytes+1, 0)},
		{"an entry without an index", recordEntries, changed(good.Meta, hardStateBytes+9, 0)},
		{"half a base", recordBase, base.Meta[:hardStateBytes+10]},
		{"members cut short", recordBase, base.Meta[:hardStateBytes+20]},
		{"members that are none", recordBase, changed(base.Meta, hardStateBytes+18, 0xFF)},
		{"half a reference", recordBase, base.Meta[:len(base.Meta)-1]},
		{"more than a reference", recordInstall, append(slices.Clone(base.Meta), 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if l, err := decodeRecord(c.kind, c.meta, nil); !fault.Is(err, fault.Corrupt) {
				t.Errorf("got %+v, %v", l, err)
			}
		})
	}
}

func TestFramesRefused(t *testing.T) {
	forward := AppendFrame(nil, Message{Forward: &Forward{Low: 1, Start: 2, Digests: []chain.Hash{{1}}}})
	for _, c := range []struct {
		name  string
		frame []byte
	}{
		{"nothing", nil},
		{"too much", make([]byte, FrameBytesMax+1)},
		{"another kind", []byte{3}},
		{"half a field", []byte{frameRaft, 0x08}},
		{"a length beyond the end", []byte{frameRaft, 9<<3 | 2, 50, 1}},
		{"a tag that never ends", []byte{frameRaft, 0xFF, 0xFF}},
		{"nested messages", []byte{frameRaft, 14<<3 | 2, 2, 8, 1}},
		{"nested messages behind numbers", []byte{frameRaft, 8, 1, 1<<3 | 1, 1, 2, 3, 4, 5, 6, 7, 8, 1<<3 | 5, 1, 2, 3, 4, 14<<3 | 2, 0}},
		{"a group", []byte{frameRaft, 1<<3 | 3}},
		{"a field of another type", []byte{frameRaft, 1<<3 | 2, 1, 1}},
		{"half a forward", forward[:20]},
		{"half a digest", forward[:len(forward)-1]},
		{"more than a forward", append(slices.Clone(forward), 0)},
		{"a start below low", AppendFrame(nil, Message{Forward: &Forward{Low: 3, Start: 2}})},
		{"numbers that overflow", AppendFrame(nil, Message{Forward: &Forward{Low: 1, Start: 1<<64 - 1, Digests: []chain.Hash{{1}}}})},
	} {
		t.Run(c.name, func(t *testing.T) {
			if m, err := ParseFrame(c.frame); !fault.Is(err, fault.Invalid) {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
}
