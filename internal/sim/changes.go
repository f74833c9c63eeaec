// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// The changes of a membership, and whom they befall.
const (
	changeAdd   = "add"   // a validator that starts from nothing, or one that left and comes back
	changeRekey = "rekey" // one gets new keys
	changeLeave = "leave" // one is removed

	whoAny    = "any"
	whoLeader = "leader"
	whoDown   = "down" // it has no power until it is removed
	whoLiar   = "liar"
)

// change is a change of the membership that governance makes.
type change struct {
	kind, who string
	lost      bool    // the disk of whom it befalls: a re-keyed or returning validator starts from nothing
	twice     bool    // it is sent twice, in two transactions
	rate      float64 // how likely a step of the epoch's end loses a validator's power
	crashes   int     // how often that may happen
	late      uint64  // nodes that are cut off when it is made, a bit each, and how long
	lateUs    int64
}

// String describes a change.
func (c *change) String() string {
	return fmt.Sprintf("%s %s, disk lost %v, twice %v, %d crashes at rate %.2f, %b late by %d µs", c.kind, c.who, c.lost, c.twice, c.crashes, c.rate, c.late, c.lateUs)
}

// changesMax bounds the changes of a run.
const changesMax = 3

// withChanges adds to a plan the changes of the membership of some runs. It draws from a source of its own: all other faults
// stay what they were. Networks whose states are damaged are left alone: there a certificate is more than governance gets.
func withChanges(plan []*episode, s shape, seed uint64) []*episode {
	r := rand.New(rand.NewPCG(seed, 9))
	damaged := slices.ContainsFunc(plan, func(e *episode) bool { return e.kind == faultDamage })
	if r.IntN(3) > 0 || damaged || s.leads && r.IntN(3) > 0 {
		return plan
	}
	for v := s.size - s.liars; v < s.size; v++ {
		if r.IntN(3) > 0 {
			plan = append(plan, &episode{id: len(plan), kind: lieEnds, from: 0, to: forever, node: v, rate: 0.7, set: math.MaxUint64})
		}
	}
	at := r.Int64N(s.stormUs)
	for range 1 + r.IntN(changesMax) {
		plan = append(plan, &episode{id: len(plan), kind: faultMembership, from: at, to: at, node: -1, change: drawChange(r, s)})
		if r.IntN(2) == 0 { // else in a row
			at += r.Int64N(s.stormUs - at)
		}
	}
	return plan
}

func drawChange(r *rand.Rand, s shape) *change {
	c := &change{
		kind: []string{changeAdd, changeAdd, changeRekey, changeLeave, changeLeave}[r.IntN(5)], who: []string{whoAny, whoLeader, whoDown, whoLiar}[r.IntN(4)],
		lost: r.IntN(3) > 0, twice: r.IntN(3) == 0, rate: []float64{0, 0.05, 0.3}[r.IntN(3)], crashes: r.IntN(4),
	}
	if r.IntN(2) == 0 {
		c.late, c.lateUs = 1+r.Uint64N(1<<s.size-2), 50_000+r.Int64N(1_500_000)
	}
	return c
}

// choose finds what a change comes to in the present membership. nil: it is not possible there, or more liars would be members
// than may be.
func (o *office) choose(c *change) *chain.ChangeValidator {
	present := o.w.check.newest()
	b := &chain.ChangeValidator{Epoch: present.Epoch}
	switch c.kind {
	case changeAdd:
		v, ok := o.freeNumber(present)
		if !ok {
			return nil
		}
		b.Validator = v
		o.giveKeys(b, c)
	default:
		v, ok := o.target(present, c)
		if !ok {
			return nil
		}
		if b.Validator = v; c.kind == changeRekey {
			o.giveKeys(b, c)
		}
	}
	if present.CheckChange(b) != chain.OK || !o.allowed(present.Changed(b)) {
		return nil
	}
	return b
}

// freeNumber is the lowest number that nobody has. A liar's is not given to others.
func (o *office) freeNumber(present *chain.Membership) (chain.ValidatorNo, bool) {
	for v := range chain.ValidatorNo(min(present.Size()+1, o.w.places)) {
		if present.Find(v) == nil && !o.w.isLiar(v) {
			return v, true
		}
	}
	return 0, false
}

// giveKeys names the next pair of keys in a change. Who left and comes back with its disk has its keys as well.
func (o *office) giveKeys(b *chain.ChangeValidator, c *change) {
	no := o.nextKey
	if n := o.w.nodes[b.Validator]; c.kind == changeAdd && !c.lost && n.life > 0 {
		no = n.key
	}
	k := &validatorKeys()[no]
	b.Name, b.Ed25519, b.MLDSA65 = fmt.Sprintf("k%d", no), k.ed25519, k.mldsa65
}

// target finds a member of a kind: a liar, who leads, or anybody who is honest.
func (o *office) target(present *chain.Membership, c *change) (chain.ValidatorNo, bool) {
	var list []chain.ValidatorNo
	for _, m := range present.Members {
		switch n := o.w.nodes[m.No]; {
		case c.who == whoLiar && c.kind == changeLeave && n.liar != nil, c.who == whoLeader && n.liar == nil && n.leads():
			return m.No, true
		case n.liar == nil:
			list = append(list, m.No)
		}
	}
	if len(list) == 0 {
		return 0, false
	}
	return list[o.rand.IntN(len(list))], true
}

// leads reports whether the ordering engine says that the node leads.
func (n *replica) leads() bool {
	return n.up && n.halted == "" && n.order.Status().Role == "leader"
}

// membersMin is how many members are left at least.
const membersMin = 3

// allowed reports whether a membership may be: no more of its members lie than may. Of an odd number two majorities may have one
// member in common: it must not be who says falsely what it holds of the ordering log.
func (o *office) allowed(next *chain.Membership) bool {
	size, liars := len(next.Members), 0
	for _, m := range next.Members {
		if o.w.isLiar(m.No) {
			liars++
		}
	}
	return size >= membersMin && liars <= faulty(size) && (size%2 == 0 || liars == 0 || !o.falseHold)
}

// faulty is how many of so many members may lie.
func faulty(members int) int { return (members - 1) / 3 }

// standsDown reports whether one more member may have no power until the membership changed: the others must suffice.
func (o *office) standsDown(present *chain.Membership) bool {
	liars := 0
	for _, m := range present.Members {
		if o.w.isLiar(m.No) {
			liars++
		}
	}
	return liars < faulty(len(present.Members))
}

// byTime puts the changes in the order in which they are due.
func byTime(a, b *episode) int { return cmp.Compare(a.from, b.from) }
