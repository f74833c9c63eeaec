// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"math"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// stage is a core of node 0 of three in a role, with a few heights behind it, and peers that a test plays.
type stage struct {
	*simNode
	w *world
}

// newStage brings node 0 into a role: "leader", "follower", "candidate" (waits for votes), "prevote", "blank" (saw nothing).
func newStage(t testing.TB, role string) stage {
	t.Helper()
	seedElections(t, 1)
	w := newWorld(t, 1, 3)
	s := stage{w.nodes[0], w}
	switch role {
	case "blank":
		return s
	case "leader", "follower":
		leader := w.nodes[map[string]int{"leader": 0, "follower": 1}[role]]
		w.elect(leader)
		for range 5 {
			w.offer(leader)
			w.nowUs++
			w.step(leader, Cut{NowUs: w.nowUs})
			w.quiesce()
		}
	case "candidate":
		s.vote(t, true)
	case "prevote":
		s.vote(t, false)
	}
	if got := s.core.Status().Role; got != map[string]string{"leader": "leader", "follower": "follower", "candidate": "candidate", "prevote": "candidate"}[role] {
		t.Fatalf("node 0 is %s, not %s", got, role)
	}
	w.frames = nil
	return s
}

// elect makes a node the leader by letting time pass for it alone.
func (w *world) elect(n *simNode) {
	w.t.Helper()
	for range 100 {
		w.step(n, Tick{})
		w.quiesce()
		if n.core.leading {
			return
		}
	}
	w.t.Fatal("no leader")
}

// quiesce delivers all frames in order and makes everything durable and read.
func (w *world) quiesce() {
	for busy := true; busy; {
		busy = len(w.frames) > 0
		frames := w.frames
		w.frames = nil
		for _, f := range frames {
			m, err := ParseFrame(f.frame)
			if err != nil {
				w.t.Fatal(err)
			}
			w.step(w.nodes[f.to], Received{From: f.from, Message: m})
		}
		for _, n := range w.nodes {
			for len(n.unacked) > 0 {
				w.acknowledge(n)
				busy = true
			}
			for len(n.queue) > 0 {
				w.read(n)
				busy = true
			}
		}
	}
}

// vote lets time pass until node 0 asks for votes; with pre-votes granted it becomes a candidate.
func (s stage) vote(t testing.TB, granted bool) {
	t.Helper()
	for range 25 {
		s.w.step(s.simNode, Tick{})
		if s.core.Status().Role == "candidate" {
			break
		}
	}
	for len(s.unacked) > 0 {
		s.w.acknowledge(s.simNode)
	}
	if granted {
		s.w.step(s.simNode, Received{From: 1, Message: Message{Raft: &pb.Message{Type: pb.MsgPreVoteResp, From: 2, To: 1, Term: s.core.Status().Term + 1}}})
		for len(s.unacked) > 0 {
			s.w.acknowledge(s.simNode)
		}
	}
}

func proposalEntry(index, term uint64, height chain.Height, timeUs uint64) pb.Entry {
	return pb.Entry{Index: index, Term: term, Data: codec.AppendProposal(nil, &chain.Proposal{Height: height, Term: term, TimeUs: timeUs})}
}

func TestCheckRefuses(t *testing.T) {
	// The follower's log: base 1, the leader's empty entry 2, heights 1 to 5 at entries 3 to 7, all of term 2.
	const last, term = 7, 2
	good := pb.Message{Type: pb.MsgApp, From: 2, To: 1, Term: term, Index: last, LogTerm: term, Commit: last}
	with := func(change func(m *pb.Message)) pb.Message {
		m := good
		change(&m)
		return m
	}
	snapshot := func(change func(s *pb.Snapshot)) pb.Message {
		b := base{index: 50, term: term, height: 40, timeUs: 1000, conf: pb.ConfState{Voters: []uint64{1, 2, 3}}}
		s := b.snapshot()
		change(&s)
		return pb.Message{Type: pb.MsgSnap, From: 2, To: 1, Term: term, Snapshot: &s}
	}
	for _, c := range []struct {
		name, role, want string
		from             chain.ValidatorNo
		m                pb.Message
	}{
		{"an empty append", "follower", "", 1, good},
		{"an append that follows", "follower", "", 1, with(func(m *pb.Message) {
			m.Entries = []pb.Entry{proposalEntry(8, term, 6, 2000), {Index: 9, Term: term}, proposalEntry(10, term, 7, 2001)}
		})},
		{"an append that repeats what is there", "follower", "", 1, with(func(m *pb.Message) {
			m.Index, m.Entries = 6, []pb.Entry{proposalEntry(7, term, 5, 0), proposalEntry(8, term, 6, 2000)}
			m.Commit = 0
		})},
		{"an append far ahead, which the library asks again for", "follower", "", 1, with(func(m *pb.Message) {
			m.Index, m.Entries = 90, []pb.Entry{proposalEntry(91, term, 70, 2000)}
		})},
		{"another one's name", "follower", "false_sender", 2, good},
		{"its own name", "follower", "unknown_sender", 0, with(func(m *pb.Message) { m.From = 1 })},
		{"a stranger", "follower", "unknown_sender", 7, with(func(m *pb.Message) { m.From = 8 })},
		{"for another node", "follower", "false_receiver", 1, with(func(m *pb.Message) { m.To = 3 })},
		{"responses", "follower", "foreign_field", 1, with(func(m *pb.Message) { m.Responses = []pb.Message{{}} })},
		{"a context", "follower", "foreign_field", 1, with(func(m *pb.Message) { m.Context = []byte("CampaignTransfer") })},
		{"no term, as a local message", "follower", "term", 1, with(func(m *pb.Message) { m.Term = 0 })},
		{"a term about to overflow", "follower", "term", 1, with(func(m *pb.Message) { m.Term = math.MaxUint64 })},
		{"a term far ahead", "follower", "term", 1, with(func(m *pb.Message) { m.Term = term + termJumpMax + 1 })},
		{"a log term above the term", "follower", "log_position", 1, with(func(m *pb.Message) { m.LogTerm = term + 1 })},
		{"an index about to overflow", "follower", "log_position", 1, with(func(m *pb.Message) { m.Index = math.MaxUint64 })},
		{"entries in a heartbeat", "follower", "foreign_entries", 1, with(func(m *pb.Message) { m.Type, m.Entries = pb.MsgHeartbeat, []pb.Entry{{}} })},
		{"a snapshot in an append", "follower", "foreign_snapshot", 1, with(func(m *pb.Message) { m.Snapshot = snapshot(func(*pb.Snapshot) {}).Snapshot })},
		{"a commit beyond the log", "follower", "commit_beyond_log", 1, with(func(m *pb.Message) { m.Type, m.Commit = pb.MsgHeartbeat, last+1 })},
		{"a second leader of the term", "follower", "second_leader", 2, with(func(m *pb.Message) { m.From = 3 })},
		{"a leader beside this one", "leader", "second_leader", 1, with(func(m *pb.Message) { m.Type, m.Index, m.LogTerm, m.Commit = pb.MsgHeartbeat, 0, 0, 0 })},
		{"a gap between entries", "follower", "entry_position", 1, with(func(m *pb.Message) { m.Entries = []pb.Entry{{Index: 8, Term: term}, {Index: 10, Term: term}} })},
		{"a gap before entries", "follower", "entry_position", 1, with(func(m *pb.Message) { m.Entries = []pb.Entry{{Index: 9, Term: term}} })},
		{"terms that fall", "follower", "entry_position", 1, with(func(m *pb.Message) { m.Entries = []pb.Entry{{Index: 8, Term: 1}} })},
		{"an entry of a later term", "follower", "entry_position", 1, with(func(m *pb.Message) { m.Entries = []pb.Entry{{Index: 8, Term: term + 1}} })},
		{"a change of membership", "follower", "entry_type", 1, with(func(m *pb.Message) {
			m.Entries = []pb.Entry{{Index: 8, Term: term, Type: pb.EntryConfChangeV2}}
		})},
		{"no proposal", "follower", "proposal", 1, with(func(m *pb.Message) { m.Entries = []pb.Entry{{Index: 8, Term: term, Data: []byte("x")}} })},
		{"a time about to overflow", "follower", "proposal", 1, with(func(m *pb.Message) { m.Entries = []pb.Entry{proposalEntry(8, term, 6, math.MaxUint64)} })},
		{"a proposal of another term", "follower", "proposal", 1, with(func(m *pb.Message) {
			m.Entries = []pb.Entry{proposalEntry(8, term-1, 6, 2000)}
			m.Entries[0].Term = term
		})},
		{"a height left out", "follower", "proposal_order", 1, with(func(m *pb.Message) { m.Entries = []pb.Entry{proposalEntry(8, term, 7, 2000)} })},
		{"a height twice", "follower", "proposal_order", 1, with(func(m *pb.Message) {
			m.Entries = []pb.Entry{proposalEntry(8, term, 6, 2000), proposalEntry(9, term, 6, 2001)}
		})},
		{"time that stands still", "follower", "proposal_order", 1, with(func(m *pb.Message) {
			m.Entries = []pb.Entry{proposalEntry(8, term, 6, 2000), proposalEntry(9, term, 7, 2000)}
		})},
		{"time behind the log's", "follower", "proposal_order", 1, with(func(m *pb.Message) { m.Entries = []pb.Entry{proposalEntry(8, term, 6, 1)} })},
		{"an answer beyond the log", "leader", "answer_beyond_log", 1, pb.Message{Type: pb.MsgAppResp, From: 2, To: 1, Term: term, Index: last + 1}},
		{"a hint beyond the log", "leader", "answer_beyond_log", 1, pb.Message{Type: pb.MsgAppResp, From: 2, To: 1, Term: term, Index: last, Reject: true, RejectHint: last + 1}},
		{"a proposal for the leader", "leader", "type", 1, with(func(m *pb.Message) { m.Type = pb.MsgProp })},
		{"an order to stand for election", "follower", "type", 1, with(func(m *pb.Message) { m.Type = pb.MsgTimeoutNow })},
		{"a local message", "follower", "type", 1, with(func(m *pb.Message) { m.Type = pb.MsgHup })},
		{"a storage message", "follower", "type", 1, with(func(m *pb.Message) { m.Type = pb.MsgStorageAppendResp })},
		{"a type that does not exist", "follower", "type", 1, with(func(m *pb.Message) { m.Type = 99 })},
		{"a snapshot", "follower", "", 1, snapshot(func(*pb.Snapshot) {})},
		{"no snapshot in it", "follower", "snapshot", 1, pb.Message{Type: pb.MsgSnap, From: 2, To: 1, Term: term}},
		{"a snapshot without a reference", "follower", "snapshot", 1, snapshot(func(s *pb.Snapshot) { s.Data = s.Data[:5] })},
		{"a snapshot of a later term", "follower", "snapshot", 1, snapshot(func(s *pb.Snapshot) { s.Metadata.Term = term + 1 })},
		{"a snapshot about to overflow", "follower", "snapshot", 1, snapshot(func(s *pb.Snapshot) { s.Metadata.Index = math.MaxUint64 })},
		{"a snapshot at a time about to overflow", "follower", "snapshot", 1, snapshot(func(s *pb.Snapshot) {
			s.Data = encodeRef(&base{height: 40, timeUs: math.MaxUint64})
		})},
		{"a snapshot with other members", "follower", "membership", 1, snapshot(func(s *pb.Snapshot) { s.Metadata.ConfState.Voters = []uint64{1, 2} })},
		{"a snapshot that is lower than the log", "follower", "snapshot_height", 1, snapshot(func(s *pb.Snapshot) {
			s.Data = encodeRef(&base{height: 3, timeUs: 1000})
		})},
		{"a snapshot that contradicts the log", "follower", "snapshot_height", 1, snapshot(func(s *pb.Snapshot) { s.Metadata.Index = 5 })},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, c.role)
			if st := s.core.node.BasicStatus(); st.Term != term || s.core.trail.last() != last {
				t.Fatalf("the stage is at term %d, entry %d", st.Term, s.core.trail.last())
			}
			if got := s.core.check(c.from, &c.m); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			out, err := s.core.Step(Received{From: c.from, Message: Message{Raft: &c.m}}, Tick{}, Tick{}, Tick{})
			if err != nil || (c.want != "") != (len(out.Refused) == 1) {
				t.Errorf("stepped: refused %q, %v", out.Refused, err)
			}
		})
	}
}

// TestLibraryPanicsUnchecked shows what the checks are for: each of these ends the library.
func TestLibraryPanicsUnchecked(t *testing.T) {
	for _, c := range []struct {
		name, role string
		m          pb.Message
	}{
		{"a commit beyond the log", "follower", pb.Message{Type: pb.MsgHeartbeat, From: 2, To: 1, Term: 2, Commit: 99}},
		{"entries with a gap", "follower", pb.Message{Type: pb.MsgApp, From: 2, To: 1, Term: 2, Index: 7, LogTerm: 2, Entries: []pb.Entry{{Index: 80, Term: 2}}}},
		{"entries below the commit", "follower", pb.Message{Type: pb.MsgApp, From: 2, To: 1, Term: 2, Index: 7, LogTerm: 2, Entries: []pb.Entry{{Index: 3, Term: 1}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, c.role)
			defer func() {
				if recover() == nil {
					t.Error("the library took it")
				}
			}()
			if err := s.core.node.Step(c.m); err != nil {
				t.Fatal(err)
			}
			for s.core.node.HasReady() {
				var out Output
				s.core.collect(&out)
			}
			for range 10 {
				_ = s.core.node.Step(pb.Message{Type: pb.MsgHeartbeatResp, From: 2, To: 1, Term: 2})
				s.core.node.Tick()
			}
			if s.core.broken != nil {
				panic(s.core.broken)
			}
		})
	}
}

// appendOf is the leader's message of one entry behind the stage's log.
func appendOf(e pb.Entry) *pb.Message {
	return &pb.Message{Type: pb.MsgApp, From: 2, To: 1, Term: 2, Index: 7, LogTerm: 2, Commit: 7, Entries: []pb.Entry{e}}
}

// TestCheckBehindAConflict replaces a tail: from the first entry that differs on, the library takes the message's entries,
// also where their terms are those of ours.
func TestCheckBehindAConflict(t *testing.T) {
	s := newStage(t, "follower")
	s.w.step(s.simNode,
		Received{From: 1, Message: Message{Raft: appendOf(proposalEntry(8, 2, 6, 2000))}},
		Received{From: 2, Message: Message{Raft: &pb.Message{
			Type: pb.MsgApp, From: 3, To: 1, Term: 3, Index: 8, LogTerm: 2, Entries: []pb.Entry{proposalEntry(9, 3, 7, 2001)},
		}}})
	if last := s.core.trail.last(); last != 9 {
		t.Fatalf("the log ends at %d", last)
	}
	m := &pb.Message{Type: pb.MsgApp, From: 2, To: 1, Term: 4, Index: 7, LogTerm: 2}
	for _, c := range []struct {
		height chain.Height
		want   string
	}{{7, ""}, {8, "proposal_order"}} {
		m.Entries = []pb.Entry{proposalEntry(8, 3, 6, 3000), proposalEntry(9, 3, c.height, 3001)}
		if got := s.core.check(1, m); got != c.want {
			t.Errorf("height %d: %q", c.height, got)
		}
	}
}
