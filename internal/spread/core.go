// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Core decides. It is a step function: no clock, no I/O, no goroutine, no randomness. It is not safe for concurrent use.
type Core struct {
	cfg      Config
	quorum   int
	now      uint64 // ticks
	lanes    []*lane
	peers    []*peer
	places   map[chain.Hash]place // of remembered entries; looked up, never walked
	missing  []*want
	evidence [][]Evidence // by lane
	sorted   []uint64     // scratch
}

type place struct {
	lane     chain.ValidatorNo
	sequence uint64
}

// Step takes what happened and says what to do. What the caller itself reports must be true: an own entry that does not
// follow the own lane breaks an invariant.
func (c *Core) Step(inputs ...Input) Output {
	var out Output
	for _, in := range inputs {
		in.apply(c, &out)
	}
	for _, l := range c.lanes {
		c.reportOdd(l, &out)
		c.offer(l, &out)
		c.askOwner(l, &out)
	}
	c.stream(&out)
	c.fetch(&out)
	c.acknowledge(&out)
	out.Backpressure = c.own().full(chain.BatchBytesMax, &c.cfg.Bounds)
	return out
}

func (c *Core) own() *lane { return c.lanes[c.cfg.Self] }

// isPeer reports whether v is another validator.
func (c *Core) isPeer(v chain.ValidatorNo) bool { return int(v) < len(c.peers) && v != c.cfg.Self }

// laneOf returns a lane that the caller names.
func (c *Core) laneOf(v chain.ValidatorNo) *lane {
	fault.Invariant(int(v) < len(c.lanes), "there is no lane of validator %d", v)
	return c.lanes[v]
}

func (Tick) apply(c *Core, out *Output) {
	c.now++
	for i, p := range c.peers {
		p.budget = c.cfg.Bounds.ServeBytes
		if c.now%c.cfg.Bounds.AnnounceTicks == 0 {
			c.announce(chain.ValidatorNo(i))
		}
	}
}

func (in OwnStored) apply(c *Core, out *Output) {
	l, e := c.own(), in.Entry
	fault.Invariant(e.Validator == l.no && e.JoinEpoch == l.epoch && e.Sequence == l.tip()+1 && e.Parent == l.tipDigest(),
		"own entry %d of validator %d, epoch %d, does not follow entry %d", e.Sequence, e.Validator, e.JoinEpoch, l.tip())
	c.extend(l, newHeld(e))
	c.noteStored(l, len(l.entries)-1)
}

func (in PeerStored) apply(c *Core, out *Output) {
	l := c.laneOf(in.Lane)
	if in.Sequence > l.first() && l.remembers(in.Sequence) && l.at(in.Sequence).digest == in.Digest {
		c.noteStored(l, int(in.Sequence-l.first()-1))
		return
	}
	if i := slices.IndexFunc(l.early, func(h held) bool { return h.digest == in.Digest }); i >= 0 {
		l.early[i].stored = true
	}
}

func (in Executed) apply(c *Core, out *Output) {
	l := c.laneOf(in.Lane)
	c.found(in.Digest)
	switch {
	case in.Sequence <= l.executed:
		return
	case in.Sequence <= l.tip() && l.at(in.Sequence).digest == in.Digest:
		l.executed = in.Sequence
		l.available, l.offered = max(l.available, in.Sequence), max(l.offered, in.Sequence)
	default:
		if in.Sequence <= l.tip() {
			c.report(l, Evidence{Kind: EvidenceDecided, From: l.no, Sequence: in.Sequence, Ours: l.at(in.Sequence).entry, Digest: in.Digest}, out)
			l.faulted = true
		}
		c.forget(l, l.tip())
		l.leap(in.Sequence, in.Digest)
		c.settle(l)
		l.ackDue = true
	}
	c.shed(l)
}

func (in Rejoined) apply(c *Core, out *Output) {
	l := c.laneOf(in.Lane)
	if in.Epoch <= l.epoch {
		return
	}
	c.forget(l, l.tip())
	c.lanes[in.Lane] = newLane(l.no, len(c.lanes), LaneState{Epoch: in.Epoch})
	c.lanes[in.Lane].ackDue = true
	if l.no == c.cfg.Self {
		for _, p := range c.peers {
			p.restart(c.now)
		}
	}
}

// extend appends an entry that follows the tip, and what waited for it.
func (c *Core) extend(l *lane, h held) {
	h.sum = l.sum(l.tip()) + uint64(h.entry.Bytes)
	l.entries = append(l.entries, h)
	c.places[h.digest] = place{l.no, h.entry.Sequence}
	c.settle(l)
}

// settle compares claims with the new tip, and appends an entry that came before its parent.
func (c *Core) settle(l *lane) {
	c.compare(l)
	c.advance(l)
	for i := range l.early {
		if h := l.early[i]; h.entry.Sequence == l.tip()+1 && h.entry.Parent == l.tipDigest() {
			l.early = slices.Delete(l.early, i, i+1)
			c.extend(l, h)
			return
		}
	}
}

// cut forgets the entries from a place on: ordering decided another one there.
func (c *Core) cut(l *lane, sequence uint64) {
	for i := range l.entries[sequence-l.first()-1:] {
		delete(c.places, l.entries[sequence-l.first()-1:][i].digest)
	}
	l.entries = l.entries[:sequence-l.first()-1]
	l.stored = min(l.stored, sequence-1)
	for v := range l.acked {
		l.acked[v] = min(l.acked[v], sequence-1)
	}
}

// noteStored marks an entry durable.
func (c *Core) noteStored(l *lane, index int) {
	l.entries[index].stored = true
	c.advance(l)
	c.shed(l)
}

// advance moves the acknowledged place over what is durable.
func (c *Core) advance(l *lane) {
	for l.stored < l.tip() && l.at(l.stored+1).stored {
		l.stored++
		l.ackDue = true
	}
	l.acked[c.cfg.Self] = l.stored
}

// shed forgets what is executed and durable, and keeps some of the own lane for peers that are behind.
func (c *Core) shed(l *lane) {
	done := min(l.executed, l.stored)
	if l.no == c.cfg.Self {
		done -= min(done, c.cfg.Bounds.KeepEntries)
	}
	c.forget(l, done)
}

func (c *Core) forget(l *lane, through uint64) {
	for l.first() < through {
		l.base = l.entries[0]
		l.entries = l.entries[1:]
		delete(c.places, l.base.digest)
	}
}
