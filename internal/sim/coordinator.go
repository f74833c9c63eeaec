// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/seal"
)

// Times of a coordinator, in microseconds.
const (
	askMicros   = 40_000  // between two times that a validator is asked
	graceMicros = 300_000 // of waiting for more answers than are needed
	adminMicros = 400     // on the way between a coordinator and a validator
)

// coordinator is what package seal's is, step by step under virtual time: it asks validators, by the same rules. It may stop
// anywhere, and another one begins without what it knew.
type coordinator struct {
	w       *world
	over    bool
	life    int // which coordinator this is
	epoch   *seal.Epoch
	leftOut []chain.ValidatorNo
	asked
}

// asked is what one coordinator knows.
type asked struct {
	reveals   map[chain.ValidatorNo]*seal.Reveal
	claims    map[chain.ValidatorNo]*seal.Claim
	approvals map[chain.ValidatorNo]chain.Approval
	plan      *seal.Plan
	decision  *seal.Decision
	handover  *chain.Handover
	since     int64 // there are enough answers; 0: there are not
	last      error // that somebody answered
}

func newCoordinator(w *world) *coordinator {
	c := &coordinator{w: w, epoch: &seal.Epoch{Set: w.proofs.first}}
	if begin := w.check.endOf(w.check.newest().Epoch - 1); begin != nil {
		c.epoch.Set, c.epoch.Base = w.proofs.setAfter(begin), seal.Point{Height: begin.Height, Header: begin.Header}
	}
	for _, m := range w.check.newest().Members {
		if w.isLiar(m.No) {
			c.leftOut = append(c.leftOut, m.No)
		}
	}
	w.check.sealing = c
	c.begin()
	return c
}

// begin is a new coordinator's first step.
func (c *coordinator) begin() {
	c.life++
	c.asked = asked{reveals: map[chain.ValidatorNo]*seal.Reveal{}, claims: map[chain.ValidatorNo]*seal.Claim{}, approvals: map[chain.ValidatorNo]chain.Approval{}}
	c.round()
}

// round asks those whose answer is missing, and goes on with what is there. In the middle of it a coordinator may stop.
func (c *coordinator) round() {
	w := c.w
	if c.over {
		return
	}
	if d := w.drill; d.stops > 0 && d.rand.Float64() < d.rate {
		d.stops--
		w.see(seenSealBroken, 1)
		c.life++
		w.after(d.rand.Int64N(2*graceMicros), -1, c.begin)
		return
	}
	c.conclude()
	life := c.life
	for _, n := range w.honest() {
		if w.drill.away>>n.no&1 == 0 {
			c.ask(n, life)
		}
	}
	w.after(askMicros, -1, func() {
		if c.life == life {
			c.round()
		}
	})
}

// ask asks a validator what comes next. Its answer counts if it is still up then, and the coordinator still there.
func (c *coordinator) ask(n *replica, life int) {
	question := c.question(n)
	if question == nil {
		return
	}
	c.w.after(adminMicros+c.w.drill.rand.Int64N(adminMicros), int(n.no), func() {
		if !n.up || n.sealer == nil {
			return
		}
		before := n.life
		take, err := question(n.sealer)
		if !n.up || n.life != before {
			return
		}
		c.w.after(adminMicros, -1, func() {
			if c.life != life || c.over {
				return
			}
			if c.last = err; err == nil {
				take()
			}
		})
		n.losesPower()
	})
}

// question is what a validator is to be asked, nil if its answer is there. It gives what is done with the answer.
func (c *coordinator) question(n *replica) func(*seal.Sealer) (take func(), err error) {
	ctx := timeless
	switch proved := c.w.check.ended; {
	case c.handover != nil && proved != nil:
		if n.epoch > c.epoch.Epoch() && n.up {
			return nil
		}
		return func(s *seal.Sealer) (func(), error) { return func() {}, s.Finish(ctx, proved) }
	case c.handover != nil:
		if _, ok := c.approvals[n.no]; ok {
			return nil
		}
		return func(s *seal.Sealer) (func(), error) {
			a, err := s.Sign(ctx, c.plan, c.claimList())
			if err == nil {
				c.w.check.signs(n, a, c.handover)
			}
			return func() { c.approvals[n.no] = *a }, err
		}
	case c.plan != nil:
		if c.claims[n.no] != nil {
			return nil
		}
		return func(s *seal.Sealer) (func(), error) {
			claim, err := s.Prepare(ctx, c.plan)
			return func() { c.claims[n.no] = claim }, err
		}
	case c.reveals[n.no] != nil:
		return nil
	}
	return func(s *seal.Sealer) (func(), error) {
		r, err := s.Reveal(ctx, simChain, c.epoch.Epoch())
		if err == nil {
			c.w.check.reveals(n, r)
		}
		return func() { c.reveals[n.no] = r }, err
	}
}

// conclude goes on to the next stage if the answers will do.
func (c *coordinator) conclude() {
	switch {
	case c.handover != nil && c.w.check.ended != nil:
	case c.handover != nil:
		c.prove()
	case c.plan != nil:
		h, err := c.epoch.Agree(c.decision, &c.plan.Next, c.claimList())
		if c.enough(err == nil, len(c.claims)) {
			c.handover, c.since = h, 0
		}
	default:
		c.choose()
	}
}

// enough reports whether there are answers enough, and all of them or the grace has passed.
func (c *coordinator) enough(enough bool, answers int) bool {
	switch {
	case !enough:
		return false
	case c.since == 0:
		c.since = c.w.now
	}
	return answers == len(c.w.honest())-bits.OnesCount64(c.w.drill.away) || c.w.now-c.since >= graceMicros
}

// choose makes a plan of the reveals.
func (c *coordinator) choose() {
	if !c.enough(len(c.reveals) >= c.epoch.Quorum(), len(c.reveals)) {
		return
	}
	plan := &seal.Plan{Next: *c.epoch.Without(c.leftOut), Verdict: c.w.drill.verdict}
	for _, v := range slices.Sorted(maps.Keys(c.reveals)) {
		plan.Reveals = append(plan.Reveals, c.reveals[v])
	}
	d, err := c.epoch.Check(plan)
	if c.last = err; err == nil {
		c.plan, c.decision, c.since = plan, d, 0
		return
	}
	if c.since = 0; fault.Is(err, fault.Conflict) && len(c.reveals) == len(c.w.honest()) { // nobody is left to be brought back
		c.over = true
	}
}

// prove makes a handover of a quorum's signatures.
func (c *coordinator) prove() {
	if len(c.approvals) < c.epoch.Quorum() {
		return
	}
	p := &chain.ProvedHandover{Handover: *c.handover, HeaderBytes: c.header()}
	for _, v := range slices.Sorted(maps.Keys(c.approvals)) {
		p.Seal = append(p.Seal, c.approvals[v])
	}
	if err := c.epoch.VerifyHandover(p); err != nil {
		c.w.fail(checkSeal, "the handover that a quorum signed does not hold: %v", err)
		return
	}
	c.w.check.ends(p)
}

// header is the last header of the epoch, as who claimed it showed it.
func (c *coordinator) header() []byte {
	for _, claim := range c.claims {
		if codec.Sum(claim.Header) == c.handover.Header {
			return claim.Header
		}
	}
	return nil
}

func (c *coordinator) claimList() (list []*seal.Claim) {
	for _, v := range slices.Sorted(maps.Keys(c.claims)) {
		list = append(list, c.claims[v])
	}
	return list
}

// verifyApproval reports whether an approval is its validator's, of a handover.
func (c *coordinator) verifyApproval(a *chain.Approval, h *chain.Handover) bool {
	return c.epoch.HeaderKey(a.Validator).Verify(sealMessage(h), a.Signature)
}

func sealMessage(h *chain.Handover) []byte {
	return keys.SealMessage(h.Chain, codec.HandoverHash(h))
}

// describe says how far the seal is.
func (c *coordinator) describe() string {
	return fmt.Sprintf("coordinator %d: %d reveals, planned %v, %d claims, agreed %v, %d signatures, proved %v; last answer: %v",
		c.life, len(c.reveals), c.plan != nil, len(c.claims), c.handover != nil, len(c.approvals), c.w.check.ended != nil, c.last)
}
