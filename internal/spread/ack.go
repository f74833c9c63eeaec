// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

func (in Ack) apply(c *Core, out *Output) {
	if word := c.hear(in.From, in.Position, out); word != "" {
		out.Refused = append(out.Refused, word)
	}
}

// hear takes an acknowledgement, or says why not.
func (c *Core) hear(from chain.ValidatorNo, at Position, out *Output) string {
	switch {
	case !c.isPeer(from):
		return RefusedSender
	case int(at.Lane) >= len(c.lanes):
		return RefusedLane
	case at.Epoch != c.lanes[at.Lane].epoch:
		return RefusedEpoch
	}
	l := c.lanes[at.Lane]
	switch {
	case at.Sequence > l.tip() && l.no == c.cfg.Self:
		l.claims[from].odd = at
		c.report(l, Evidence{Kind: EvidenceAhead, From: from, Sequence: at.Sequence, Digest: at.Digest}, out)
		return RefusedAhead
	case at.Sequence > l.tip():
		l.claims[from].keep(at)
		return ""
	case !c.count(l, from, at):
		return RefusedAck
	}
	if l.no == c.cfg.Self {
		c.peers[from].acknowledged(at.Sequence, c.now)
	}
	return ""
}

// keep remembers a claim about entries that are not here.
func (m *claims) keep(at Position) {
	switch {
	case m.near.Sequence == 0:
		m.near = at
	case at.Sequence > max(m.near.Sequence, m.far.Sequence):
		m.far = at
	}
}

// count takes a claim about an entry that is here or was, unless it names another one.
func (c *Core) count(l *lane, v chain.ValidatorNo, at Position) bool {
	if at.Sequence >= l.first() && l.at(at.Sequence).digest != at.Digest {
		l.claims[v].odd, l.doubt = at, true
		return false
	}
	l.acked[v] = max(l.acked[v], at.Sequence)
	return true
}

// compare counts the claims that the tip has reached. A claim that differs is kept: its acker may have what is missing.
func (c *Core) compare(l *lane) {
	for i := range l.claims {
		v, m := chain.ValidatorNo(i), &l.claims[i]
		for m.near.Sequence != 0 && m.near.Sequence <= l.tip() {
			c.count(l, v, m.near)
			m.near, m.far = m.far, Position{}
		}
		if odd := m.odd; odd.Sequence != 0 && odd.Sequence <= l.tip() {
			m.odd = Position{}
			c.count(l, v, odd)
		}
	}
}

// reportOdd reports the claims that differ from what is here.
func (c *Core) reportOdd(l *lane, out *Output) {
	if !l.doubt {
		return
	}
	l.doubt = false
	for v := range l.claims {
		if odd := l.claims[v].odd; odd.Sequence != 0 && odd.Sequence <= l.tip() && l.remembers(odd.Sequence) {
			e := Evidence{Kind: EvidenceAck, From: chain.ValidatorNo(v), Sequence: odd.Sequence, Ours: l.at(odd.Sequence).entry, Digest: odd.Digest}
			c.report(l, e, out)
		}
	}
}

// offer says which entries became available: q validators hold them, this node knows the chain up to them.
func (c *Core) offer(l *lane, out *Output) {
	c.sorted = append(c.sorted[:0], l.acked...)
	slices.Sort(c.sorted)
	l.available = max(l.available, c.sorted[len(c.sorted)-c.quorum])
	for l.offered < l.available {
		l.offered++
		out.Offer = append(out.Offer, l.at(l.offered).digest)
	}
}

// acknowledge tells peers what became durable, and what they seem not to know.
func (c *Core) acknowledge(out *Output) {
	for i, p := range c.peers {
		var positions []Position
		for j, l := range c.lanes {
			if l.ackDue || p.owed[j] {
				positions = append(positions, l.position())
				p.owed[j] = false
			}
		}
		if p.connected && len(positions) > 0 {
			out.Acks = append(out.Acks, SendAck{To: chain.ValidatorNo(i), Positions: positions})
		}
	}
	for _, l := range c.lanes {
		l.ackDue = false
	}
}

// announce owes a peer all positions.
func (c *Core) announce(v chain.ValidatorNo) {
	for j := range c.peers[v].owed {
		c.peers[v].owed[j] = true
	}
}
