// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"math/rand/v2"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// drill is the seal of a run: after the faults a person ends the epoch, without the liars. Either all is well then, or a lying
// leader has stopped the network, or states are damaged and nothing gets a certificate any more.
type drill struct {
	rand    *rand.Rand
	verdict chain.Verdict
	damaged uint64  // validators, a bit each
	rate    float64 // how likely a step of a seal loses a validator's power
	crashes int     // how often that may happen yet
	away    uint64  // validators whom no coordinator reaches: they learn of the seal from peers
	stops   int     // how many coordinators may stop in the middle yet
}

// withSeal adds to a plan the seal of some runs. It draws from a source of its own: all other faults stay what they were.
func withSeal(plan []*episode, s shape, seed uint64) []*episode {
	r := rand.New(rand.NewPCG(seed, 7))
	if r.IntN(6) > 0 && (!s.leads || r.IntN(8) > 0) {
		return plan
	}
	damage := !s.leads && r.IntN(2) == 0
	if damage {
		plan = append(plan, &episode{id: len(plan), kind: faultDamage, from: s.stormUs, to: s.stormUs, node: -1, set: damagedOf(r, s)})
	}
	e := &episode{id: len(plan), kind: faultSeal, from: s.stormUs, to: s.stormUs, node: -1, rate: []float64{0, 0.05, 0.2}[r.IntN(3)], records: r.IntN(4)}
	if honest := s.size - s.liars; !damage && !s.leads && honest > chain.Quorum(s.size) && r.IntN(3) > 0 {
		e.set = 1 << r.IntN(honest)
	}
	return append(plan, e)
}

// damagedOf draws so many honest validators that those left over, without the liars, are one too few for a quorum.
func damagedOf(r *rand.Rand, s shape) (set uint64) {
	honest := s.size - s.liars
	for _, v := range r.Perm(honest)[:honest-chain.Quorum(s.size)+1] {
		set |= 1 << v
	}
	return set
}

// openDrill makes the plan's seal the run's.
func (w *world) openDrill() {
	for _, e := range w.plan {
		if e.kind == faultSeal {
			w.drill = &drill{
				rand: rand.New(rand.NewPCG(w.opts.Seed, 8)), rate: e.rate, crashes: e.records, stops: e.records, away: e.set,
				verdict: chain.VerdictUnchanged + chain.Verdict(rand.New(rand.NewPCG(w.opts.Seed, 11)).IntN(2)),
			}
		}
	}
	for _, e := range w.plan {
		if e.kind == faultDamage && w.drill != nil {
			w.drill.damaged = e.set
		}
	}
}

// losesPower draws whether a step of an epoch's end is a validator's last one for a while.
func (n *replica) losesPower() bool {
	d := n.w.drill
	if n.up && n.w.office != nil && n.w.office.takesPower(n) {
		return true
	}
	if !n.up || d == nil || d.crashes == 0 || n.w.check.sealing == nil || d.rand.Float64() >= d.rate {
		return false
	}
	d.crashes--
	n.w.count(faultCrash, 1)
	n.w.see(seenSealBroken, 1)
	n.crash()
	n.bootAfter(5_000 + d.rand.Int64N(300_000))
	return true
}

// Times of a drill, in microseconds.
const (
	stuckMicros  = 300_000   // without a certificate: then the network is taken to be stuck
	damageMicros = 2_000_000 // how long that is waited for
)

// sealEpoch ends the epoch after the faults, in the runs whose plan says so, and lets the network go on in the next one.
func (w *world) sealEpoch() {
	if w.drill == nil || w.failure != nil {
		return
	}
	w.count(faultSeal, 1)
	w.breakStates()
	begin, pending := w.now, append([]*request(nil), w.crowd.open...)
	c := newCoordinator(w)
	for w.now-begin < livenessTimeouts*electionMicros && w.failure == nil && !c.over {
		w.run(w.now+sliceMicros, nil)
		if w.check.ended == nil {
			continue
		}
		for _, n := range w.nodes {
			if !n.up && n.liar != nil {
				n.bootAfter(0)
			}
		}
		if w.beyond(w.check.ended.Height+1) && answered(pending) {
			w.see(seenSealed, 1)
			if w.drill.verdict == chain.VerdictToV10 {
				w.see(seenSealedToV10, 1)
			}
			return
		}
	}
	switch {
	case w.failure != nil:
	case w.check.ended == nil && w.check.misled:
		w.see(seenUnsealed, 1)
		c.over = true
	default:
		w.stuck(pending, "to go on after a seal (%s)", c.describe())
	}
}

// breakStates damages states, and takes the liars' power with which the others might still certify, until nothing is certified
// any more.
func (w *world) breakStates() {
	if w.drill.damaged == 0 || w.check.misled {
		return
	}
	for _, n := range w.nodes {
		switch {
		case n.liar != nil:
			n.crash()
		case w.drill.damaged>>n.no&1 == 1 && n.up:
			n.damaged, n.damage = true, 1+byte(n.no)
			w.count(faultDamage, 1)
		}
	}
	since, top := w.now, w.check.top
	for begin := w.now; w.now-begin < damageMicros && w.now-since < stuckMicros && w.failure == nil; {
		w.run(w.now+sliceMicros, nil)
		if w.check.top > top {
			since, top = w.now, w.check.top
		}
	}
}
