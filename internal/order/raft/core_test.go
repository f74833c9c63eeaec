// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// TestPaceAndRecords offers more often than proposals may be cut: they get larger, and each costs one record.
func TestPaceAndRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cluster(t, 3, inMemory, nil)
		var hosts [3]*host
		for i := range hosts {
			hosts[i] = bring(t, c, i, 0)
		}
		await(t, "a leader", func() bool { return c.Leader() >= 0 })
		leader := c.Leader()
		<-time.After(time.Second)
		before := c.Writes((leader + 1) % 3)
		for k := range 2000 {
			if err := hosts[leader].Offer(digest(k)); err != nil {
				t.Fatal(err)
			}
			<-time.After(500 * time.Microsecond)
		}
		await(t, "decided", func() bool { return hosts[leader].owed.Load() == 0 })
		if h := hosts[leader].height(); h < 450 || h > 502 {
			t.Errorf("%d heights in a second, 2 ms apart", h)
		}
		<-time.After(time.Second)
		if n := c.Writes((leader+1)%3) - before; n > int(hosts[leader].height()) {
			t.Errorf("a follower wrote %d records for %d heights", n, hosts[leader].height())
		}
		for i, h := range hosts {
			h.halt(t)
			c.Close(t, i)
		}
	})
}

// TestWishesAreBounded lets a peer wish for all heights there are: it gets one a wish.
func TestWishesAreBounded(t *testing.T) {
	s := newStage(t, "leader")
	for range 3 {
		tail := s.core.Status().Tail
		s.w.step(s.simNode, Received{From: 1, Message: Message{Forward: &Forward{Incarnation: 9, NudgeTo: 1<<64 - 1}}})
		for range 5 {
			s.w.step(s.simNode, Cut{NowUs: s.w.nowUs})
			s.w.quiesce()
		}
		if now := s.core.Status().Tail; now != tail+1 {
			t.Errorf("from height %d a wish led to %d", tail, now)
		}
	}
	for name, in := range map[string]Received{
		"a stranger's": {From: 9, Message: Message{Forward: &Forward{}}},
		"its own":      {From: 0, Message: Message{Forward: &Forward{}}},
	} {
		if out, err := s.core.Step(in); err != nil || len(out.Refused) != 1 || out.Refused[0] != "unknown_sender" {
			t.Errorf("%s forward: %v, %v", name, out.Refused, err)
		}
	}
	f := newStage(t, "follower")
	if out, _ := f.core.Step(Received{From: 1, Message: Message{Forward: &Forward{}}}); len(out.Refused) != 1 || out.Refused[0] != "not_leader" {
		t.Errorf("a follower took a forward: %v", out.Refused)
	}
}

// TestAnswersWaitForTheDisk checks that nothing which vouches for a record leaves before the record is durable, while
// the leader's entries do.
func TestAnswersWaitForTheDisk(t *testing.T) {
	f := newStage(t, "follower")
	m := proposalEntry(8, 2, 6, 2000)
	appendMsg := Message{Raft: appendOf(m)}
	out, err := f.core.Step(Received{From: 1, Message: appendMsg})
	if err != nil || len(out.Append) != 1 || len(out.Send) != 0 {
		t.Fatalf("%d records, %d frames, %v", len(out.Append), len(out.Send), err)
	}
	// The same again has nothing to write and waits behind the record all the same.
	if out, _ := f.core.Step(Received{From: 1, Message: appendMsg}); len(out.Append) != 0 || len(out.Send) != 0 {
		t.Fatalf("again: %d records, %d frames", len(out.Append), len(out.Send))
	}
	if out, _ = f.core.Step(Appended{f.w.write(f.simNode, out.Append[0])}); len(out.Send) != 1 {
		t.Errorf("%d answers when it is durable: one says it all", len(out.Send))
	}
	// With nothing on its way the answer need not wait.
	if out, _ := f.core.Step(Received{From: 1, Message: appendMsg}); len(out.Append) != 0 || len(out.Send) != 1 {
		t.Errorf("at rest: %d records, %d frames", len(out.Append), len(out.Send))
	}

	l := newStage(t, "leader")
	out, err = l.core.Step(Offered{chain.Hash{7}}, Cut{NowUs: 2000})
	if err != nil || len(out.Append) != 1 || len(out.Send) != 2 || len(out.Decided) != 0 {
		t.Errorf("the leader: %d records, %d frames, %v", len(out.Append), len(out.Send), err)
	}
}

// TestBurst cuts several proposals in one go: as many as were asked for, the window takes and a single one could hold the
// digests of, in one record and one frame for each peer.
func TestBurst(t *testing.T) {
	for _, c := range []struct {
		offered, most int
		cut           []int // digests by proposal; EntriesMax is 3, WindowMax 4
	}{
		{7, 0, []int{3}}, {7, 2, []int{3, 3}}, {7, 3, []int{3, 3, 1}}, {20, 9, []int{3, 3, 3, 3}}, {1, 4, []int{1}},
	} {
		l := newStage(t, "leader")
		before := l.core.Status().Tail
		var want []chain.Hash
		for k := range c.offered {
			want = append(want, digest(1000+k))
			_, _ = l.core.Step(Offered{want[k]})
		}
		out, err := l.core.Step(Cut{NowUs: 1, Most: c.most}) // the clock stands still, and their times do not
		if err != nil || len(out.Append) != 1 || len(out.Send) != 2 {
			t.Fatalf("%+v: %d records, %d frames, %v", c, len(out.Append), len(out.Send), err)
		}
		if got := int(l.core.Status().Tail - before); got != len(c.cut) {
			t.Fatalf("%+v: %d proposals", c, got)
		}
		for i, n := range c.cut {
			p := l.core.trail.marks[len(l.core.trail.marks)-len(c.cut)+i].proposal
			if !slices.Equal(p.Entries, want[:n]) {
				t.Errorf("%+v: proposal %d has %d digests, or others", c, i, len(p.Entries))
			}
			want = want[n:]
		}
	}
}

// TestRepeatedAnswersWait tells a follower a commit index: it has said already what it would answer, and says it again with
// the next tick, in case the answer before was lost; or at once, with more, when it is told entries.
func TestRepeatedAnswersWait(t *testing.T) {
	f := newStage(t, "follower")
	out, _ := f.core.Step(Received{From: 1, Message: Message{Raft: appendOf(proposalEntry(8, 2, 6, 2000))}})
	out, _ = f.core.Step(Appended{f.w.write(f.simNode, out.Append[0])})
	if len(out.Send) != 1 {
		t.Fatalf("%d answers", len(out.Send))
	}
	first := string(out.Send[0].Frame)
	commit := func() Received {
		return Received{From: 1, Message: Message{Raft: &pb.Message{Type: pb.MsgApp, From: 2, To: 1, Term: 2, LogTerm: 2, Index: 8, Commit: 8}}}
	}
	for range 3 {
		if out, err := f.core.Step(commit()); err != nil || len(out.Send) != 0 || len(out.Refused) != 0 {
			t.Errorf("told a commit index: %d answers, %v, %v", len(out.Send), out.Refused, err)
		}
	}
	out, _ = f.core.Step(Tick{})
	if len(out.Send) != 1 || string(out.Send[0].Frame) != first {
		t.Errorf("%d answers after a tick", len(out.Send))
	}
	if out, _ = f.core.Step(Tick{}); len(out.Send) != 0 {
		t.Errorf("%d answers after another tick", len(out.Send))
	}
	if out, _ := f.core.Step(commit(), Received{From: 1, Message: Message{Raft: appendOf(proposalEntry(8, 2, 6, 2000))}}, Tick{}); len(out.Send) != 1 {
		t.Errorf("%d answers to entries told again", len(out.Send))
	}
}

// TestVotesSurviveACrash lets a node vote, lose its power, and be asked by another candidate of the same term.
func TestVotesSurviveACrash(t *testing.T) {
	s := newStage(t, "blank")
	n := s.simNode
	n.disk, n.unacked, s.w.frames = nil, nil, nil
	ask := func(candidate uint64) {
		m := &pb.Message{Type: pb.MsgVote, From: candidate, To: 1, Term: 5, LogTerm: 1, Index: 1}
		s.w.step(n, Received{From: validator(candidate), Message: Message{Raft: m}})
	}
	answer := func() *pb.Message {
		t.Helper()
		if len(s.w.frames) != 1 {
			t.Fatalf("%d frames", len(s.w.frames))
		}
		m, err := ParseFrame(s.w.frames[0].frame)
		if err != nil {
			t.Fatal(err)
		}
		s.w.frames = nil
		return m.Raft
	}
	ask(2)
	if len(n.unacked) != 1 || len(s.w.frames) != 0 {
		t.Fatalf("%d records, %d frames before the vote is durable", len(n.unacked), len(s.w.frames))
	}
	s.w.acknowledge(n)
	if a := answer(); a.Type != pb.MsgVoteResp || a.Reject {
		t.Errorf("the first candidate is answered %v", a)
	}
	s.w.crash(n)
	s.w.boot(n)
	if term := n.core.Status().Term; term != 5 {
		t.Errorf("after the crash the term is %d", term)
	}
	ask(3)
	if a := answer(); a.Type != pb.MsgVoteResp || !a.Reject {
		t.Errorf("the second candidate is answered %v", a)
	}
}

// TestReaderBoundsMemory lets a follower's reader read nothing while the leader goes on.
func TestReaderBoundsMemory(t *testing.T) {
	s := newStage(t, "follower")
	out, decided := Output{}, 0
	for i := range uint64(400) {
		e := proposalEntry(8+i, 2, chain.Height(6+i), 2000+i)
		p := chain.Proposal{Height: chain.Height(6 + i), Term: 2, TimeUs: 2000 + i, Entries: run(int(i)*60, 60)}
		e.Data = codec.AppendProposal(nil, &p)
		m := appendOf(e)
		m.Index, m.Commit = 7+i, 8+i
		var err error
		if out, err = s.core.Step(Received{From: 1, Message: Message{Raft: m}}); err != nil || len(out.Refused) > 0 {
			t.Fatal(out.Refused, err)
		}
		for _, r := range out.Append {
			if out, err = s.core.Step(Appended{s.w.write(s.simNode, r)}); err != nil {
				t.Fatal(err)
			}
			decided += len(out.Decided)
		}
	}
	if most := 256 << 10 / 1900; decided > most || decided < most/2 {
		t.Errorf("%d proposals wait for a reader that reads nothing", decided)
	}
	for before := 0; decided > before; {
		before = decided
		out, _ := s.core.Step(Delivered{chain.Height(5 + decided)})
		decided += len(out.Decided)
	}
	if decided != 400 {
		t.Errorf("%d proposals came out in the end", decided)
	}
}

// TestFloorKeepsTheBase keeps the record of a base that lies before the entries behind it, as after a snapshot.
func TestFloorKeepsTheBase(t *testing.T) {
	s := newStage(t, "follower")
	s.core.storage.install(base{index: 50, term: 2, height: 40}, seglog.Pos{Segment: 3})
	if got := s.core.Floor(); got != 3 {
		t.Errorf("with nothing behind the base the floor is %d", got)
	}
	if err := s.core.storage.append([]pb.Entry{{Index: 51, Term: 2}}, seglog.Pos{Segment: 7}); err != nil {
		t.Fatal(err)
	}
	if got := s.core.Floor(); got != 3 {
		t.Errorf("with an entry behind the base the floor is %d", got)
	}
}
