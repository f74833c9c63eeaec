// SPDX-License-Identifier: Apache-2.0

package raft

import (
	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// write is a record on its way to the disk, and what may be said once it is there.
type write struct {
	hard      pb.HardState
	entries   []pb.Entry
	bytes     int
	install   *base // from a peer
	compact   *base // from this node
	responses []pb.Message
}

func (w *write) record() Record {
	switch {
	case w.install != nil:
		return encodeBase(recordInstall, w.hard, w.install)
	case w.compact != nil:
		return encodeBase(recordBase, w.hard, w.compact)
	}
	return encodeEntries(w.hard, w.entries)
}

// collect takes what is ready in the library.
func (c *Core) collect(out *Output) {
	for _, m := range c.node.Ready().Messages {
		switch m.To {
		case etcd.LocalAppendThread:
			c.persist(m, out)
		case etcd.LocalApplyThread:
			c.decide(m, out)
		default:
			c.send(m, out)
		}
	}
}

func (c *Core) send(m pb.Message, out *Output) {
	if m.Type == pb.MsgAppResp && !m.Reject {
		if m.To == c.acked.To && m.Term == c.acked.Term && m.Index == c.acked.Index {
			c.repeated = true
			return
		}
		c.acked, c.repeated = m, false
	}
	c.sendNow(m, out)
}

// repeat says again what the leader may not have heard. The library answers each commit index it is told as if it were
// told entries. At once that would be a frame in four, for nothing: it matters only if the answer before was lost.
func (c *Core) repeat(out *Output) {
	if c.repeated && c.acked.Term == c.term {
		c.sendNow(c.acked, out)
	}
	c.repeated = false
}

func (c *Core) sendNow(m pb.Message, out *Output) {
	out.Send = append(out.Send, Envelope{To: validator(m.To), Frame: AppendFrame(nil, Message{Raft: &m})})
}

// persist turns what must be durable into records. A commit index alone is not written: it only says what a leader will
// say again.
func (c *Core) persist(m pb.Message, out *Output) {
	mustWrite := false
	if hard := (pb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}); !etcd.IsEmptyHardState(hard) {
		mustWrite = hard.Term != c.hard.Term || hard.Vote != c.hard.Vote
		c.hard = hard
	}
	if m.Snapshot != nil && !etcd.IsEmptySnap(*m.Snapshot) {
		c.install(m.Snapshot)
		mustWrite = false // its record has the hard state
	}
	for i := range m.Entries {
		c.logEntry(&m.Entries[i])
	}
	if mustWrite && len(m.Entries) == 0 {
		c.openWrite(0).hard = c.hard
	}
	if len(c.writes) == 0 {
		c.answer(m.Responses, out)
		return
	}
	last := c.writes[len(c.writes)-1]
	last.responses = append(last.responses, m.Responses...)
}

// openWrite is a record that is not handed out yet and has room for an entry of n bytes.
func (c *Core) openWrite(n int) *write {
	if last := len(c.writes) - 1; last >= c.fresh {
		if w := c.writes[last]; w.install == nil && w.compact == nil && w.bytes+n <= recordBytesMax {
			return w
		}
	}
	w := &write{hard: c.hard}
	c.writes = append(c.writes, w)
	return w
}

func (c *Core) logEntry(e *pb.Entry) {
	dropped, err := c.trail.append(e)
	if err != nil {
		c.halt(err)
		return
	}
	for _, m := range dropped {
		if m.proposal != nil {
			c.offers.unlogged(m.proposal)
		}
	}
	if p := c.trail.tail().proposal; p != nil {
		c.offers.logged(p)
	}
	n := entryHeadBytes + len(e.Data)
	w := c.openWrite(n)
	w.hard, w.entries, w.bytes = c.hard, append(w.entries, *e), w.bytes+n
}

// install begins the log anew behind a peer's base.
func (c *Core) install(s *pb.Snapshot) {
	b, err := baseOf(s)
	if err != nil {
		c.halt(err)
		return
	}
	for i := range c.trail.marks {
		if p := c.trail.marks[i].proposal; p != nil {
			c.offers.unlogged(p)
		}
	}
	c.trail = newTrail(&b)
	c.decided = c.trail.tail()
	c.delivered = max(c.delivered, b.height)
	c.writes = append(c.writes, &write{hard: c.hard, install: &b})
}

func (in Appended) apply(c *Core, out *Output) {
	fault.Invariant(c.fresh > 0 && len(c.writes) > 0, "a record was acknowledged that was not handed out")
	w := c.writes[0]
	c.writes = c.writes[1:]
	c.fresh--
	switch {
	case w.install != nil:
		c.storage.install(*w.install, in.At)
	case w.compact != nil:
		c.storage.setBase(*w.compact, in.At)
		c.trail.cut(w.compact.index)
	default:
		if err := c.storage.append(w.entries, in.At); err != nil {
			c.halt(err)
			return
		}
	}
	c.answer(w.responses, out)
}

// answer gives responses to whom they are for. They are not sent before what they stand for is durable.
func (c *Core) answer(responses []pb.Message, out *Output) {
	for i, m := range responses {
		switch {
		case i+1 < len(responses) && saysMore(&responses[i+1], &m):
		case m.To == c.id:
			c.step(m)
		default:
			c.send(m, out)
		}
	}
}

// saysMore reports whether an answer says all that the one before it does: a node that has an entry has those before it.
func saysMore(m, before *pb.Message) bool {
	return m.Type == pb.MsgAppResp && before.Type == pb.MsgAppResp && !m.Reject && !before.Reject &&
		m.To == before.To && m.Term == before.Term && m.Index >= before.Index
}

// decide brings out proposals whose place nobody can change any more.
func (c *Core) decide(m pb.Message, out *Output) {
	for i := range m.Entries {
		e := &m.Entries[i]
		if len(e.Data) == 0 {
			c.decided.term = e.Term
			continue
		}
		p, err := c.proposal(e)
		if err == nil && !c.decided.follows(p) {
			err = fault.New(fault.Corrupt, "height %d at time %d was decided after height %d at time %d", p.Height, p.TimeUs, c.decided.height, c.decided.timeUs)
		}
		if err != nil {
			c.halt(err)
			return
		}
		c.decided = mark{term: e.Term, height: p.Height, timeUs: p.TimeUs}
		if own := c.offers.decide(p); own > 0 {
			out.Own += own
			c.progress = c.now
		}
		out.Decided = append(out.Decided, p)
	}
	c.applying = append(c.applying, applying{to: c.decided.height, response: m.Responses[0]})
	c.acknowledge()
}

// proposal is an entry's, decoded before if it still waited.
func (c *Core) proposal(e *pb.Entry) (*chain.Proposal, error) {
	if m, ok := c.trail.at(e.Index); ok && m.term == e.Term && m.proposal != nil {
		c.trail.marks[e.Index-c.trail.base].proposal = nil
		return m.proposal, nil
	}
	return codec.DecodeProposal(e.Data)
}

// acknowledge lets the library go on behind what the reader took.
func (c *Core) acknowledge() {
	for len(c.applying) > 0 && c.applying[0].to <= c.delivered {
		c.step(c.applying[0].response)
		c.applying = c.applying[1:]
	}
}

func (in Compact) apply(c *Core, _ *Output) {
	if in.Below <= c.storage.base.height+1 || c.compacting() {
		return
	}
	height := min(in.Below-1, c.delivered, c.decided.height)
	index, ok := c.trail.indexOf(height)
	if !ok || index > c.node.BasicStatus().Applied || c.storage.floor(index) <= c.storage.floor(c.storage.base.index) {
		return // it would free no segment
	}
	m, _ := c.trail.at(index)
	c.writes = append(c.writes, &write{hard: c.hard, compact: &base{
		index: index, term: m.term, height: m.height, timeUs: m.timeUs, conf: c.storage.base.conf, ref: in.Ref,
	}})
}

// Floor is the oldest segment of the ordering log that is needed.
func (c *Core) Floor() uint64 {
	floor := c.storage.floor(c.storage.base.index)
	if at := c.storage.baseAt.Segment; at != 0 {
		floor = min(floor, at)
	}
	return floor
}
