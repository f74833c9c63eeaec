// SPDX-License-Identifier: Apache-2.0

package spread

import "github.com/aurigraph/aurigraph/internal/chain"

// peer is another validator: how far it has the own lane, and what it is owed.
type peer struct {
	connected bool
	waiting   bool   // since it connected, it did not say how far it has the own lane
	base      uint64 // it has the own lane up to here
	next      uint64 // to be sent
	quiet     uint64 // tick of its last progress, or of the first entry on its way
	probing   bool   // it was silent: one entry at a time
	budget    uint64 // bytes that its asks may cost in this tick
	owed      []bool // by lane: tell it the position
}

func (p *peer) restart(now uint64) {
	*p = peer{connected: p.connected, waiting: true, quiet: now, budget: p.budget, owed: p.owed}
}

// acknowledged moves the window. The first word after a connect may move it back.
func (p *peer) acknowledged(sequence, now uint64) {
	switch {
	case p.waiting:
		p.waiting = false
		p.base, p.next = sequence, sequence+1
	case sequence <= p.base:
		return
	default:
		p.base, p.next = sequence, max(p.next, sequence+1)
	}
	p.quiet, p.probing = now, false
}

// rewind sends again what is not acknowledged.
func (p *peer) rewind(now uint64) {
	p.waiting, p.probing = false, true
	p.next, p.quiet = p.base+1, now
}

func (in Connected) apply(c *Core, out *Output) {
	if !c.isPeer(in.Peer) {
		out.Refused = append(out.Refused, RefusedSender)
		return
	}
	p := c.peers[in.Peer]
	base := p.base
	p.restart(c.now)
	p.connected, p.base = true, base
	c.announce(in.Peer)
}

func (in Disconnected) apply(c *Core, out *Output) {
	if !c.isPeer(in.Peer) {
		out.Refused = append(out.Refused, RefusedSender)
		return
	}
	c.peers[in.Peer].connected = false
}

// stream sends own entries to each peer, as far as its own window goes.
func (c *Core) stream(out *Output) {
	for i, p := range c.peers {
		if !p.connected {
			continue
		}
		silent := c.now-p.quiet >= c.cfg.Bounds.ResendTicks
		if silent && (p.waiting || p.next > p.base+1) {
			p.rewind(c.now)
		}
		if !p.waiting {
			c.fill(chain.ValidatorNo(i), p, out)
		}
	}
}

func (c *Core) fill(to chain.ValidatorNo, p *peer, out *Output) {
	l, b := c.own(), &c.cfg.Bounds
	p.base = min(max(p.base, l.first()), l.tip())
	p.next = min(max(p.next, p.base+1), l.tip()+1)
	for p.next <= l.stored {
		h, entries, limit := l.at(p.next), p.next-1-p.base, b.WindowEntries
		if p.probing {
			limit = 1
		}
		if entries > 0 && (entries >= limit || h.sum-l.sum(p.base) > b.WindowBytes) {
			return
		}
		if entries == 0 {
			p.quiet = c.now
		}
		out.Send = append(out.Send, SendEntry{To: to, Lane: l.no, Sequence: p.next, Digest: h.digest})
		p.next++
	}
}

func (in Asked) apply(c *Core, out *Output) {
	if word := c.answer(in.From, in.Ask, out); word != "" {
		out.Refused = append(out.Refused, word)
	}
}

// answer serves a peer's ask, or says why not.
func (c *Core) answer(from chain.ValidatorNo, in Ask, out *Output) string {
	switch {
	case !c.isPeer(from):
		return RefusedSender
	case int(in.Lane) >= len(c.lanes):
		return RefusedLane
	case c.peers[from].budget == 0:
		return RefusedFlood
	case !in.Digest.IsZero():
		c.answerEntry(from, in, out)
		return ""
	case in.Lane != c.cfg.Self || in.Sequence == 0 || in.Sequence > c.own().tip()+1:
		return RefusedAsk
	}
	l, p := c.own(), c.peers[from]
	at := max(in.Sequence, l.first()+1)
	if p.next > at && p.next-1 <= l.tip() {
		p.spend(l.sum(p.next-1) - l.sum(at-1))
	}
	p.base, p.next = min(p.base, at-1), at
	p.waiting, p.probing, p.quiet = false, false, c.now
	return ""
}

// answerEntry serves one entry.
func (c *Core) answerEntry(from chain.ValidatorNo, in Ask, out *Output) {
	send, cost := SendEntry{To: from, Lane: in.Lane, Digest: in.Digest}, uint64(chain.BatchBytesMax)
	if at, ok := c.places[in.Digest]; ok {
		send.Lane, send.Sequence = at.lane, at.sequence
		cost = uint64(c.lanes[at.lane].at(at.sequence).entry.Bytes)
	}
	c.peers[from].spend(cost)
	out.Send = append(out.Send, send)
}

func (in AskedExecuted) apply(c *Core, out *Output) {
	switch {
	case !c.isPeer(in.From):
		out.Refused = append(out.Refused, RefusedSender)
	case c.peers[in.From].budget == 0:
		out.Refused = append(out.Refused, RefusedFlood)
	default:
		c.peers[in.From].spend(chain.BatchBytesMax)
		out.SendExecuted = append(out.SendExecuted, SendExecuted{To: in.From, AskExecuted: in.AskExecuted})
	}
}

func (p *peer) spend(bytes uint64) { p.budget -= min(p.budget, max(bytes, 1)) }
