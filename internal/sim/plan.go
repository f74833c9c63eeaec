// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// An episode is a fault that lasts for a while. What a run suffers is a list of them, made from its seed before it
// begins; a shrinker leaves some out.
type episode struct {
	id       int
	kind     string
	from, to int64 // microseconds
	node     int   // whom it befalls; -1: all
	rate     float64
	micros   int64
	set      uint64 // nodes, a bit each
	records  int    // of a crash: in the how-manyth record after it began
	told     bool   // of a partition: the transport notices
	change   *change
}

// String describes an episode in a line.
func (e *episode) String() string {
	if e.change != nil {
		return fmt.Sprintf("%d: %s at %.3f s: %s", e.id, e.kind, seconds(e.from), e.change)
	}
	return fmt.Sprintf("%d: %s from %.3f s to %.3f s, node %d, rate %.2f, %d µs, set %b, record %d, told %v",
		e.id, e.kind, seconds(e.from), seconds(e.to), e.node, e.rate, e.micros, e.set, e.records, e.told)
}

func seconds(micros int64) float64 { return float64(micros) / 1e6 }

// shape is what a run's network looks like.
type shape struct {
	size, liars  int
	stormUs      int64 // faults end then
	channels     int   // of clients
	thinkUs      int64 // between a client's batches
	burst        int   // proposals cut in one go
	entriesMax   int   // of a proposal
	recentMax    int   // decided digests that ordering remembers
	depthMax     int
	retain       uint64 // heights kept below the older checkpoint
	checkpointUs int64
	eager        bool // liars are the first to ask for votes
	leads        bool // liars lie to the ordering engine as well
}

// drawShape chooses a network: mostly of four, with a liar in two of three runs.
func drawShape(r *rand.Rand) shape {
	s := shape{size: 4, stormUs: 3_000_000 + r.Int64N(2_500_000), channels: 4 + r.IntN(4), thinkUs: 20_000 + r.Int64N(50_000)}
	if r.IntN(8) == 0 {
		s.size = 7
		s.stormUs /= 2
	}
	if r.IntN(3) > 0 {
		s.liars = 1 + r.IntN((s.size-1)/3)
	}
	s.burst, s.entriesMax = 1+r.IntN(3), 1+r.IntN(8)
	s.depthMax = 4 + r.IntN(12)
	s.retain = []uint64{0, 0, 10, 40}[r.IntN(4)]
	s.checkpointUs = 100_000 + r.Int64N(400_000)
	s.recentMax = []int{8, 32, 512}[r.IntN(3)]
	s.leads = s.liars > 0 && r.IntN(2) == 0
	s.eager = s.leads || r.IntN(2) == 0
	return s
}

// planner draws episodes.
type planner struct {
	*rand.Rand
	shape
	plan []*episode
}

func drawPlan(r *rand.Rand, s shape) []*episode {
	p := &planner{Rand: r, shape: s}
	for range 2 + r.IntN(3) {
		p.network()
	}
	for range r.IntN(4) {
		p.partition()
	}
	crashes := 1 + r.IntN(6)
	if s.leads {
		crashes += 4 // who was deceived and forgets half of it is worth watching
	}
	for range crashes {
		p.crash()
	}
	if r.IntN(3) > 0 {
		p.absence()
	}
	if r.IntN(4) == 0 {
		p.add(&episode{kind: faultPowerCut, node: -1, micros: 20_000 + r.Int64N(300_000)}, 0)
	}
	for range r.IntN(3) {
		p.add(&episode{kind: faultSlowDisk, node: r.IntN(s.size), micros: 5_000 + r.Int64N(100_000)}, s.stormUs/2)
	}
	for range r.IntN(3) {
		p.add(&episode{kind: faultClockSkew, node: r.IntN(s.size), micros: p.skew(), rate: r.Float64()*0.2 - 0.1}, s.stormUs)
	}
	for v := s.size - s.liars; v < s.size; v++ {
		p.lies(v)
	}
	for i, e := range p.plan {
		e.id = i
	}
	return p.plan
}

// skew is by how much a clock jumps: mostly by little.
func (p *planner) skew() int64 {
	bound := []int64{20_000, 200_000, 3_000_000}[p.IntN(3)]
	return p.Int64N(2*bound) - bound
}

// add gives an episode a beginning, and an end after at most lasts.
func (p *planner) add(e *episode, lasts int64) {
	e.from = p.Int64N(p.stormUs)
	e.to = e.from
	if lasts > 0 {
		e.to = min(e.from+1+p.Int64N(lasts), p.stormUs)
	}
	p.plan = append(p.plan, e)
}

func (p *planner) network() {
	kind := []string{faultDrop, faultDuplicate, faultReorder, faultDelay}[p.IntN(4)]
	e := &episode{kind: kind, node: -1, rate: []float64{0.01, 0.05, 0.3}[p.IntN(3)]}
	e.micros = 1_000 + p.Int64N([]int64{5_000, 60_000, 1_500_000}[p.IntN(3)])
	if p.IntN(3) == 0 {
		e.node = p.IntN(p.size)
	}
	p.add(e, p.stormUs)
}

func (p *planner) partition() {
	e := &episode{kind: faultPartition, node: -1, set: 1 + p.Uint64N(1<<p.size-2), told: p.IntN(2) == 0}
	if p.IntN(3) == 0 {
		e.kind, e.told = faultOneWay, false
	}
	p.add(e, p.stormUs/2)
}

// crash takes a node's power at a moment, or in one of the records that it writes from then on.
func (p *planner) crash() {
	e := &episode{kind: faultCrash, node: p.IntN(p.size), micros: 5_000 + p.Int64N([]int64{100_000, 400_000, 2_000_000}[p.IntN(3)])}
	if p.IntN(3) > 0 {
		e.records = 1 + p.IntN(12)
	}
	p.add(e, 0)
}

// absence takes a node's power for so long that the others let go of what it lacks.
func (p *planner) absence() {
	e := &episode{kind: faultCrash, node: p.IntN(p.size), micros: p.stormUs/2 + p.Int64N(p.stormUs/4)}
	p.add(e, 0)
	e.from /= 4
	e.to = e.from
}

// lies gives a liar some of the lies, for some of the time or all of it.
func (p *planner) lies(v int) {
	for _, kind := range lieKinds {
		if kind == lieEnds { // drawn where epochs end
			continue
		}
		if (p.IntN(2) == 0 || kind == lieState) && (kind != lieFalseHold || p.size == 4) { // of seven, two such liars could undo a majority
			p.lie(v, kind)
		}
	}
	if !p.leads {
		return
	}
	for _, kind := range leadKinds {
		if p.IntN(5) < 3 {
			p.lie(v, kind)
		}
	}
}

func (p *planner) lie(v int, kind string) {
	e := &episode{kind: kind, node: v, rate: []float64{0.02, 0.1, 0.5}[p.IntN(3)], set: p.Uint64() &^ (1 << v)}
	p.add(e, p.stormUs)
	switch {
	case kind == lieState: // it is seldom asked
		e.rate, e.set, e.from, e.to = 0.8, math.MaxUint64, 0, forever
	case kind == lieLeadUnheld: // after it nothing happens any more
		e.from, e.to = (p.stormUs+e.from)/2, forever
	case slices.Contains(leadKinds, kind): // it seldom leads
		e.rate, e.from, e.to = 2*e.rate, e.from/2, forever
	case p.IntN(2) == 0:
		e.from, e.to = 0, forever
	}
}

// forever is after the end of every run.
const forever = int64(1) << 60

// isLie tells lies from faults.
func isLie(kind string) bool {
	return slices.Contains(lieKinds, kind) || slices.Contains(leadKinds, kind)
}
