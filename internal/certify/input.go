// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Input is something that happened.
type Input interface{ apply(c *Core, out *Output) }

// The inputs.
type (
	// Executed: this node executed a height, and Vote is what it would sign. If it signed the height before, the
	// signatures of then are used. Heights ascend; MaySign says what halts the core.
	Executed struct{ Vote Vote }
	// Signed: the record of the own vote of a height is durable.
	Signed struct{ Height chain.Height }
	// Received: a peer's vote. The caller verified its signatures.
	Received struct {
		From chain.ValidatorNo
		Vote Vote
	}
	// ReceivedCertificate: a peer's answer to Wanted. The caller verified its signatures.
	ReceivedCertificate struct {
		From        chain.ValidatorNo
		Certificate *chain.Certificate
	}
	// Wanted: a peer lacks the certificate of a height.
	Wanted struct {
		From   chain.ValidatorNo
		Height chain.Height
	}
	// Published: the host published all up to a height.
	Published struct{ Height chain.Height }
	// Tick: the unit of the core's time passed.
	Tick struct{}
)

// Output says what to do, in the order of the fields.
type Output struct {
	Persist   []Vote // own votes to make durable, then Signed; in this order
	Send      []Send
	Serve     []Serve // certificates that the host has and the core does not
	Certified []*chain.Certificate
	Evidence  []Evidence
	Diverged  *Diverged
	Stuck     []chain.Height // no header of it can get a quorum any more
	Resent    int            // heights sent again
	Refused   []string       // a word for each input of a peer that was not acted on
}

// Send is a frame for a peer.
type Send struct {
	To    chain.ValidatorNo
	Frame []byte
}

// Serve is a peer's wish for a certificate that the core forgot.
type Serve struct {
	To     chain.ValidatorNo
	Height chain.Height
}

// Evidence is two votes of one validator in one height over different headers.
type Evidence struct{ First, Second Vote }

// Diverged says that a quorum signed another header than this node computed.
type Diverged struct {
	Own   Vote
	Other *chain.Certificate // without the signatures for a state root
}

// Contradicted says that this node computed another header than it signed for the same height in an earlier life. All votes
// below are over what it computes now, for heights ascend: where what was decided is the same, the state or the program was
// not.
type Contradicted struct {
	Own    Vote
	Header *chain.ExecutedHeader // computed now
	Hash   chain.Hash            // of it
}

func (o *Output) refuse(word string) { o.Refused = append(o.Refused, word) }

func (e Executed) apply(c *Core, out *Output) {
	v := e.Vote
	if err := c.MaySign(v.Epoch, v.Height, v.Hash); err != nil {
		c.halt("%v", err)
		return
	}
	s := c.slot(v.Height)
	if s.own != nil {
		return
	}
	if before := c.recovered.votes[v.Height]; before != nil {
		v, s.durable = *before, true
	}
	s.own, s.votes[c.cfg.Self], s.sent = &v, &v, c.now
	c.executed = v.Height
	if v.Height > c.published {
		c.open = append(c.open, v.Height)
	}
	for range s.dropOtherRoots() {
		out.refuse("wrong_root")
	}
	if c.settle(v.Height, s, out); c.broken != nil {
		return
	}
	if s.durable {
		c.sendAll(Message{Vote: &v}, out)
	} else {
		out.Persist = append(out.Persist, v)
	}
	if !s.certified && s.certificate == nil {
		c.ask(v.Height, v.Height+c.cfg.LeadMin, out)
	}
}

func (e Signed) apply(c *Core, out *Output) {
	s := c.slots[e.Height]
	if s == nil || s.own == nil || s.durable {
		return
	}
	s.durable, s.sent = true, c.now
	c.sendAll(Message{Vote: s.own}, out)
	c.settle(e.Height, s, out)
}

func (r Received) apply(c *Core, out *Output) {
	v := r.Vote
	if word := c.Admit(r.From, &v); word != "" {
		out.refuse(word)
		return
	}
	s := c.slot(v.Height)
	if first := s.votes[r.From]; first != nil {
		s.lied |= 1 << r.From
		c.prove(Evidence{First: *first, Second: v}, out)
		return
	}
	s.votes[r.From] = &v
	c.settle(v.Height, s, out)
}

func (c *Core) prove(e Evidence, out *Output) {
	out.Evidence = append(out.Evidence, e)
	if n := &c.proved[e.First.Validator]; *n < c.cfg.EvidenceMax {
		*n++
		c.evidence = append(c.evidence, e)
	}
}

func (r ReceivedCertificate) apply(c *Core, out *Output) {
	x := r.Certificate
	if word := c.AdmitCertificate(r.From, x); word != "" {
		out.refuse(word)
		return
	}
	s := c.slots[x.Height]
	if x.Header != s.own.Hash {
		if s.claim(r.From, x.Header) > c.faulty {
			c.diverge(s, x, out)
		}
		return
	}
	s.certificate = x
	c.settle(x.Height, s, out)
}

func (w Wanted) apply(c *Core, out *Output) {
	if word := c.admitSender(w.From, c.cfg.Epoch); word != "" {
		out.refuse(word)
		return
	}
	if c.asked[w.From]++; c.asked[w.From] > wantedPerTickMax {
		out.refuse("wanted_often")
		return
	}
	s := c.slots[w.Height]
	switch {
	case s != nil && s.certified:
		c.send(w.From, Message{Certificate: s.certificate}, out)
	case w.Height <= c.published:
		out.Serve = append(out.Serve, Serve{To: w.From, Height: w.Height})
	case s != nil && s.durable:
		c.send(w.From, Message{Vote: s.own}, out)
	default:
		out.refuse("not_executed")
	}
}

func (p Published) apply(c *Core, _ *Output) { c.publish(p.Height) }

func (Tick) apply(c *Core, out *Output) {
	c.now++
	clear(c.asked)
	for _, h := range c.open {
		s := c.slots[h]
		if !s.durable || c.now-s.sent < c.cfg.RetryTicks {
			continue
		}
		if out.Resent == resentPerTickMax {
			return
		}
		out.Resent++
		s.sent = c.now
		c.sendAll(Message{Vote: s.own}, out)
		c.ask(h, 0, out)
	}
}

func (c *Core) send(to chain.ValidatorNo, m Message, out *Output) {
	out.Send = append(out.Send, Send{To: to, Frame: AppendFrame(nil, m)})
}

func (c *Core) sendAll(m Message, out *Output) {
	frame := AppendFrame(nil, m)
	for _, to := range c.members {
		if to != c.cfg.Self {
			out.Send = append(out.Send, Send{To: to, Frame: frame})
		}
	}
}

// ask asks f+1 peers, in turn, who claim to be at a height, for the certificate of h.
func (c *Core) ask(h, at chain.Height, out *Output) {
	left := c.faulty + 1
	frame := AppendFrame(nil, Message{Wanted: h})
	for range c.members {
		c.turn = (c.turn + 1) % len(c.members)
		to := c.members[c.turn]
		if to == c.cfg.Self || c.seen[to] < at {
			continue
		}
		out.Send = append(out.Send, Send{To: to, Frame: frame})
		if left--; left == 0 {
			return
		}
	}
}

// close takes a height off those that wait.
func (c *Core) close(h chain.Height) {
	if i, ok := slices.BinarySearch(c.open, h); ok {
		c.open = slices.Delete(c.open, i, i+1)
	}
}
