// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"slices"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// Bounds of numbers that peers send. The library adds to them and panics where they overflow.
const (
	termMax     = 1 << 62
	termJumpMax = 1 << 32 // how far one message may raise the term
	indexMax    = 1 << 62
	heightMax   = 1 << 62
	timeUsMax   = 1 << 62
)

// raftID is a validator's number in the library, which keeps 0 for none.
func raftID(v chain.ValidatorNo) uint64 { return uint64(v) + 1 }

// validator is the reverse of raftID.
func validator(id uint64) chain.ValidatorNo { return chain.ValidatorNo(id - 1) }

// check decides whether a peer's message may be given to the library, which trusts its peers and panics where one lies.
// It returns a word that says why not, or "".
func (c *Core) check(from chain.ValidatorNo, m *pb.Message) string {
	st := c.node.BasicStatus()
	switch {
	case m.From != raftID(from):
		return "false_sender"
	case !c.isPeer(from):
		return "unknown_sender"
	case m.To != c.id:
		return "false_receiver"
	case len(m.Responses) > 0 || len(m.Context) > 0 || m.Vote != 0:
		return "foreign_field"
	case m.Term == 0 || m.Term > termMax || m.Term > st.Term+termJumpMax:
		return "term"
	case m.Index > indexMax || m.LogTerm > m.Term:
		return "log_position"
	case m.Type != pb.MsgApp && len(m.Entries) > 0:
		return "foreign_entries"
	case m.Type != pb.MsgSnap && m.Snapshot != nil && !etcd.IsEmptySnap(*m.Snapshot):
		return "foreign_snapshot"
	}
	return c.checkType(st, m)
}

func (c *Core) isPeer(v chain.ValidatorNo) bool {
	return raftID(v) != c.id && slices.Contains(c.storage.base.conf.Voters, raftID(v))
}

func (c *Core) checkType(st etcd.BasicStatus, m *pb.Message) string {
	switch m.Type {
	case pb.MsgVote, pb.MsgPreVote, pb.MsgVoteResp, pb.MsgPreVoteResp, pb.MsgHeartbeatResp:
		return ""
	case pb.MsgAppResp:
		return c.checkAnswer(st, m)
	case pb.MsgApp, pb.MsgHeartbeat, pb.MsgSnap:
		if m.Term == st.Term && st.Lead != etcd.None && st.Lead != m.From {
			return "second_leader"
		}
		if m.Type == pb.MsgApp {
			return c.checkEntries(st, m)
		}
		if m.Type == pb.MsgSnap {
			return c.checkSnapshot(st, m)
		}
		// A heartbeat vouches that we hold what it commits.
		if m.Commit > c.trail.last() {
			return "commit_beyond_log"
		}
		return ""
	}
	return "type" // local to a node, or never sent by this engine
}

// checkAnswer sees to it that nobody claims to hold what the leader does not: the library would look there.
func (c *Core) checkAnswer(st etcd.BasicStatus, m *pb.Message) string {
	if m.Term == st.Term && (m.Index > c.trail.last() || m.RejectHint > c.trail.last()) {
		return "answer_beyond_log"
	}
	return ""
}

// checkEntries checks that a leader's entries join, that their terms never fall, and that each proposal follows the one
// before it in our log.
func (c *Core) checkEntries(st etcd.BasicStatus, m *pb.Message) string {
	term := m.LogTerm
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Index != m.Index+1+uint64(i) || e.Term < term || e.Term == 0 || e.Term > m.Term {
			return "entry_position"
		}
		if e.Type != pb.EntryNormal {
			return "entry_type"
		}
		term = e.Term
	}
	before, ok := c.trail.at(m.Index)
	if m.Index < st.Commit || !ok || before.term != m.LogTerm {
		return "" // the library will not append these
	}
	joined := true // all so far is in our log already, and the library keeps ours
	for i := range m.Entries {
		e := &m.Entries[i]
		ours, ok := c.trail.at(e.Index)
		if joined = joined && ok && ours.term == e.Term; joined {
			before = ours
			continue
		}
		if len(e.Data) == 0 {
			continue
		}
		p, err := codec.DecodeProposal(e.Data)
		if err != nil || p.TimeUs > timeUsMax || p.Term != e.Term {
			return "proposal"
		}
		if !before.follows(p) {
			return "proposal_order"
		}
		before = mark{height: p.Height, timeUs: p.TimeUs}
	}
	return ""
}

// checkSnapshot checks what a leader wants us to begin from. Whether the state behind it is true is the host's to prove.
func (c *Core) checkSnapshot(st etcd.BasicStatus, m *pb.Message) string {
	if m.Snapshot == nil || etcd.IsEmptySnap(*m.Snapshot) {
		return "snapshot"
	}
	b, err := baseOf(m.Snapshot)
	if err != nil || b.term == 0 || b.term > m.Term || b.index > indexMax || b.height > heightMax || b.timeUs > timeUsMax {
		return "snapshot"
	}
	if b.conf.Equivalent(c.storage.base.conf) != nil {
		return "membership"
	}
	if ours, ok := c.trail.at(b.index); ok && ours.term == b.term && ours.height != b.height {
		return "snapshot_height"
	}
	if b.index > st.Commit && (b.height < c.decided.height || b.timeUs < c.decided.timeUs) {
		return "snapshot_height"
	}
	return ""
}
