// SPDX-License-Identifier: Apache-2.0

package spread

import "github.com/aurigraph/aurigraph/internal/chain"

func (in PeerEntry) apply(c *Core, out *Output) {
	h := newHeld(in.Entry)
	out.Verdicts = append(out.Verdicts, Verdict{
		From: in.From, Lane: in.Entry.Validator, Sequence: in.Entry.Sequence, Digest: h.digest, Refused: c.judge(in.From, h, out),
	})
}

// judge takes an entry that arrived, or says why not.
func (c *Core) judge(from chain.ValidatorNo, h held, out *Output) string {
	e := &h.entry
	switch {
	case !c.isPeer(from):
		return RefusedSender
	case int(e.Validator) >= len(c.lanes):
		return RefusedLane
	case e.JoinEpoch != c.lanes[e.Validator].epoch:
		return RefusedEpoch
	}
	l := c.lanes[e.Validator]
	if c.wants(h.digest) {
		return c.takeDecided(l, from, h, out)
	}
	if from != e.Validator {
		return RefusedNotOwner
	}
	word := c.takeStreamed(l, h, out)
	// An owner that sends what is here, or what does not follow it, does not know where this node stands.
	if word == RefusedOld || word == RefusedDuplicate || word == RefusedGap {
		c.peers[from].owed[l.no] = true
	}
	return word
}

// takeStreamed takes an entry from its lane's owner.
func (c *Core) takeStreamed(l *lane, h held, out *Output) string {
	s := h.entry.Sequence
	switch {
	case s <= l.first() || s <= l.tip() && l.at(s).digest == h.digest:
		if s <= l.executed {
			return RefusedOld
		}
		return RefusedDuplicate
	case s <= l.tip():
		c.fault(l, l.no, EvidenceFork, h, out)
		return RefusedFork
	case l.faulted:
		return RefusedFaulted
	case s > l.tip()+1:
		l.gap = true
		return RefusedGap
	case h.entry.Parent != l.tipDigest():
		c.fault(l, l.no, EvidenceParent, h, out)
		return RefusedParent
	case l.full(uint64(h.entry.Bytes), &c.cfg.Bounds):
		l.gap = true
		return RefusedFull
	}
	l.gap = false
	c.extend(l, h)
	return ""
}

// takeDecided takes an entry that ordering decided, from anyone. It may replace entries of a fork, unless q validators
// hold one of those.
func (c *Core) takeDecided(l *lane, from chain.ValidatorNo, h held, out *Output) string {
	s := h.entry.Sequence
	c.found(h.digest)
	switch {
	case s <= l.executed || s <= l.tip() && l.at(s).digest == h.digest:
	case s <= l.available:
		c.fault(l, from, EvidenceDecided, h, out)
		return RefusedContrary
	case s <= l.tip()+1 && h.entry.Parent == l.at(s-1).digest:
		if s <= l.tip() {
			c.fault(l, from, EvidenceFork, h, out)
			c.cut(l, s)
		}
		c.extend(l, h)
	default:
		return c.takeEarly(l, h)
	}
	return ""
}

// takeEarly keeps an entry until its parent is here.
func (c *Core) takeEarly(l *lane, h held) string {
	for i := range l.early {
		if l.early[i].digest == h.digest {
			return ""
		}
	}
	if len(l.early) >= c.cfg.Bounds.MissingMax {
		return RefusedEarly
	}
	l.early = append(l.early, h)
	return ""
}

// fault notes that a lane forked: what its owner sends is refused from here on.
func (c *Core) fault(l *lane, from chain.ValidatorNo, kind EvidenceKind, h held, out *Output) {
	l.faulted = true
	e := Evidence{Kind: kind, From: from, Sequence: h.entry.Sequence, Theirs: h.entry, Digest: h.digest}
	if kind == EvidenceParent {
		e.Ours = l.at(l.tip()).entry
	} else {
		e.Ours = l.at(h.entry.Sequence).entry
	}
	c.report(l, e, out)
}
