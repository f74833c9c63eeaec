// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// gonesMax is how often a checkpoint may be overwritten under way before a steady one is asked for, and how often a peer may
// say so in a row before another one is asked.
const (
	gonesMax       = 2
	gonesOfPeerMax = 4
)

// CoreConfig sets a core up. All fields are needed.
type CoreConfig struct {
	Self         chain.ValidatorNo
	Rules        Rules
	Least        chain.Height      // of a state that is of use
	First        chain.ValidatorNo // whom to ask first
	AnswerTicks  uint64            // a peer that is silent for so long is dropped
	PauseTicks   uint64            // for so long is not asked who was silent, or has nothing
	PenaltyTicks uint64            // for so long is not asked who lied
	WindowMax    int               // asks under way
	Known        chain.Height      // headers up to this one are here
}

// phase is what a core waits for.
type phase uint8

const (
	choosing   phase = iota // for the next tick: nobody is asked
	asking                  // for an offer
	leaves                  // for leaves
	looking                 // for the caller, who looks what is here
	fetching                // for pages
	descending              // for headers below the state
	finished
)

// Core takes a state. It is a step function: no clock, no I/O, no goroutine. It is not safe for concurrent use.
type Core struct {
	cfg   CoreConfig
	hash  pages.Leaves
	now   uint64 // ticks
	after []uint64
	turn  chain.ValidatorNo // whom to ask next

	phase   phase
	peer    chain.ValidatorNo // who is asked, but while choosing
	session uint64
	heard   uint64 // tick of the last useful answer
	gones   int    // checkpoints that were overwritten under way
	inRow   int    // of them by the peer that is asked
	plan    *plan  // of the newest offer; nil before
	flights []flight
	headers *descent // while descending
	ended   []bool   // who has no more of them
}

// NewCore makes a core that asks with its first tick.
func NewCore(cfg CoreConfig) *Core {
	c := &Core{cfg: cfg, hash: pages.NewLeaves(), after: make([]uint64, cfg.Rules.Validators), turn: cfg.First}
	if int(c.turn) >= len(c.after) {
		c.turn = 0
	}
	return c
}

// Step takes what happened and says what to do.
func (c *Core) Step(in Input) Output {
	var out Output
	in.apply(c, &out)
	return out
}

// Progress is how many pages of the newest offer are here, and how many it has; 0 of 0 before its leaves are known.
func (c *Core) Progress() (done, total int) {
	if c.plan == nil {
		return 0, 0
	}
	return c.plan.done, c.plan.total
}

func (Tick) apply(c *Core, out *Output) {
	c.now++
	switch c.phase {
	case choosing:
		c.choose(out)
	case asking, leaves, fetching, descending:
		if c.now-c.heard >= c.cfg.AnswerTicks {
			c.drop("stalled", c.cfg.PauseTicks, out)
		}
	}
}

// choose asks the next one in turn who may be asked.
func (c *Core) choose(out *Output) {
	for i := range c.after {
		v := chain.ValidatorNo((int(c.turn) + i) % len(c.after))
		if v != c.cfg.Self && c.after[v] <= c.now {
			c.phase, c.peer, c.turn, c.heard = asking, v, v, c.now
			c.send(Ask{Least: c.cfg.Least, Steady: c.gones >= gonesMax}, out)
			return
		}
	}
}

func (c *Core) send(m Message, out *Output) {
	out.Send = append(out.Send, Envelope{To: c.peer, Message: m})
}

// drop leaves the peer that is asked, for so many ticks.
func (c *Core) drop(reason string, ticks uint64, out *Output) {
	out.Dropped = append(out.Dropped, Dropped{c.peer, reason})
	c.after[c.peer] = c.now + ticks
	if c.phase == descending { // the state is here
		c.ended[c.peer] = true
		c.askBelow(out)
		return
	}
	c.turn = chain.ValidatorNo((int(c.peer) + 1) % len(c.after))
	c.phase, c.flights, c.inRow = choosing, nil, 0
}

func (c *Core) lied(reason string, out *Output) { c.drop(reason, c.cfg.PenaltyTicks, out) }

func (in Received) apply(c *Core, out *Output) {
	if c.phase == choosing || c.phase == finished || in.From != c.peer {
		out.Refused = append(out.Refused, "unasked")
		return
	}
	switch m := in.Message.(type) {
	case nil:
		c.lied("malformed", out)
	case *Offer:
		c.offered(m, out)
	case LeavesOf:
		c.tookLeaves(m, out)
	case PagesOf:
		c.tookPages(m, out)
	case Below:
		c.tookBelow(m, out)
	case Refused:
		c.refused(m, out)
	default:
		out.Refused = append(out.Refused, "not_serving") // an ask: it is behind too
	}
}

func (c *Core) offered(o *Offer, out *Output) {
	if c.phase != asking {
		out.Refused = append(out.Refused, "late")
		return
	}
	p, err := o.Prove(&c.cfg.Rules)
	switch {
	case err != nil:
		c.lied(fault.ReasonOf(err), out)
		return
	case p.Height < c.cfg.Least:
		c.lied("stale_offer", out)
		return
	}
	c.session, c.heard = o.Session, c.now
	out.Accept, out.From = p, c.peer
	if c.plan == nil || !c.plan.offer.sameState(p) {
		c.plan = newPlan(p)
	}
	c.plan.restart()
	c.goOn(out)
}

// goOn does what is to be done next with the plan.
func (c *Core) goOn(out *Output) {
	switch {
	case !c.plan.known:
		c.phase = leaves
		c.ask(out)
	case !c.plan.looked:
		c.phase = looking
		out.Look = c.plan.wanted()
	case c.plan.done < c.plan.total:
		c.phase = fetching
		c.ask(out)
	default:
		c.descend(out)
	}
}

// ask fills the window.
func (c *Core) ask(out *Output) {
	for len(c.flights) < c.cfg.WindowMax {
		f, ok := c.plan.next(c.phase)
		if !ok {
			return
		}
		c.flights = append(c.flights, f)
		c.send(f.ask(c.session), out)
	}
}

// landed takes the flight out that an answer is of, and false if there is none.
func (c *Core) landed(session uint64, is func(*flight) bool) bool {
	if session != c.session {
		return false
	}
	for i := range c.flights {
		if is(&c.flights[i]) {
			c.flights = slices.Delete(c.flights, i, i+1)
			c.heard = c.now
			return true
		}
	}
	return false
}

func (c *Core) tookLeaves(m LeavesOf, out *Output) {
	asked := c.phase == leaves && c.landed(m.Session, func(f *flight) bool {
		return f.pages == nil && f.section == m.Section && f.first == m.First && int(f.count) == len(m.Hashes)
	})
	if !asked {
		out.Refused = append(out.Refused, "late")
		return
	}
	c.plan.put(m.Section, m.First, m.Hashes)
	c.ask(out)
	if len(c.flights) > 0 {
		return
	}
	if !c.plan.prove(c.hash) {
		c.plan = nil
		c.lied("wrong_leaves", out)
		return
	}
	c.goOn(out)
}

func (in Looked) apply(c *Core, out *Output) {
	if c.phase != looking {
		return
	}
	for _, at := range in.Have {
		c.plan.have(at)
	}
	c.plan.looked, c.heard = true, c.now
	c.goOn(out)
}

func (c *Core) tookPages(m PagesOf, out *Output) {
	asked := c.phase == fetching && c.landed(m.Session, func(f *flight) bool { return slices.Equal(f.pages, m.Pages) })
	if !asked {
		out.Refused = append(out.Refused, "late")
		return
	}
	for i, at := range m.Pages {
		if c.hash.Of(m.Bytes[i]) != c.plan.leaf(at) {
			c.lied("wrong_page", out)
			return
		}
		c.plan.have(at)
		out.Write = append(out.Write, Page{at, m.Bytes[i]})
	}
	c.goOn(out)
}

func (c *Core) refused(m Refused, out *Output) {
	switch {
	case c.phase == descending || m.Session != 0 && m.Session != c.session || m.Session == 0 && c.phase != asking:
		out.Refused = append(out.Refused, "late")
	case m.Why == Gone && c.inRow < gonesOfPeerMax: // it has a newer one
		out.Refused = append(out.Refused, m.Why.String())
		c.gones++
		c.inRow++
		c.phase, c.flights = choosing, nil
	default:
		c.drop(m.Why.String(), c.cfg.PauseTicks, out)
	}
}

// flight is an ask under way: of pages, or else of leaves.
type flight struct {
	section, first, count uint32
	pages                 []checkpoint.PageOf
}

func (f *flight) ask(session uint64) Message {
	if f.pages != nil {
		return AskPages{session, f.pages}
	}
	return AskLeaves{session, f.section, f.first, f.count}
}
