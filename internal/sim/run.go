// SPDX-License-Identifier: Apache-2.0

package sim

import (
	crand "crypto/rand"
	"encoding/binary"
	"io"
	"math/rand/v2"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Options say which run to make. Seed alone names it; the others make it smaller or seed a bug.
type Options struct {
	Seed        uint64
	StormMillis int64 // faults end then, if that is earlier than the seed says; 0: as the seed says
	Without     []int // episodes to leave out
	Bug         Bug
}

// Result is what came of a run.
type Result struct {
	Seed     uint64
	Blocks   int // certified heights
	Faults   map[string]int
	Failure  *Failure // nil: every promise was kept
	Episodes []int    // that took part
	Plan     []string // the same, described
	Events   int
	Trace    uint64         // equal for equal runs
	StormMs  int64          // how long faults happened
	HealMs   int64          // from the end of the faults until all had gone on; 0: not promised, or not reached
	Misled   bool           // a liar lied to the ordering engine as its leader
	Seen     map[string]int // how often the rare paths were taken
}

// Times of the end of a run, in microseconds of virtual time.
const (
	electionMicros = 2 * electionTicks * tickMicros // the longest that a follower waits for a leader
	// livenessTimeouts is within how many election timeouts all must go on after the faults.
	livenessTimeouts = 30
	// misledTimeouts is how long one that was misled is watched, of which nothing is promised.
	misledTimeouts = 6
	sliceMicros    = 20_000
)

// Runner makes runs, one after the other: the ordering library's election jitter comes from a variable of the process.
type Runner struct{ slabs slabs }

// Run makes a run. It replaces crypto/rand.Reader while it lasts.
func (r *Runner) Run(o Options) *Result {
	before := crand.Reader
	crand.Reader = jitter(o.Seed)
	defer func() { crand.Reader = before }()
	defer r.slabs.reclaim()
	w := newWorld(o, &r.slabs)
	for _, n := range w.nodes {
		w.after(w.hostRand.Int64N(20_000), int(n.no), func() {
			if !n.up {
				n.boot()
			}
		})
	}
	w.schedule()
	w.run(w.stormUs, nil)
	w.heal()
	healed := w.goesOn()
	w.sealEpoch()
	w.finish()
	return w.result(healed)
}

// jitter is what the ordering library draws its election timeouts from.
func jitter(seed uint64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}

// goesOn lets time pass after the faults until every honest node has published a height above all before, and every
// client has its answer. It returns how long that took.
func (w *world) goesOn() int64 {
	begin, goal, newest := w.now, w.check.top+1, w.check.newest()
	pending := append([]*request(nil), w.crowd.open...)
	for w.now-begin < w.patience() && w.failure == nil {
		w.run(w.now+sliceMicros, nil)
		if w.check.newest() != newest { // who goes on must publish in the epoch that began
			newest, goal = w.check.newest(), w.check.top+1
		}
		if w.beyond(goal) && answered(pending) && w.office.done() {
			return w.now - begin
		}
	}
	w.stuck(pending, "to publish height %d", goal)
	return 0
}

// excused reports whether a lying leader may have stopped the network: it is not promised to go on, until it is sealed without
// the liars.
func (w *world) excused() bool { return w.check.misled && w.check.ended == nil }

// patience is how long a network has to go on, and then to come to rest.
func (w *world) patience() int64 {
	if w.excused() {
		return misledTimeouts * electionMicros
	}
	return livenessTimeouts * electionMicros
}

func (w *world) beyond(goal chain.Height) bool {
	for _, n := range w.honest() {
		if !n.up || n.blocks.head < goal {
			return false
		}
	}
	return true
}

func answered(list []*request) bool {
	for _, r := range list {
		if !r.done {
			return false
		}
	}
	return true
}

// stuck reports what keeps the network from going on, unless a lying leader may.
func (w *world) stuck(pending []*request, what string, args ...any) {
	if w.failure != nil || w.excused() || w.ledByPretender() {
		return
	}
	text := ""
	for _, n := range w.honest() {
		text += "\n" + n.describe()
	}
	open := 0
	for _, r := range pending {
		if !r.done {
			open++
		}
	}
	w.fail(checkLiveness, "%d election timeouts after the faults: wanted "+what+", %d batches are not answered%s",
		append(append([]any{(w.now - w.stormUs) / electionMicros}, args...), open, text)...)
}

// ledByPretender reports whether an honest node follows a liar that acknowledged what it does not hold: nobody sends it that,
// and so it cannot order it.
func (w *world) ledByPretender() bool {
	for _, n := range w.honest() {
		if !n.up || n.halted != "" {
			continue
		}
		st := n.order.Status()
		if st.HasLeader && w.isLiar(st.Leader) && w.nodes[st.Leader].liar.pretended {
			w.see(seenPretender, 1)
			return true
		}
	}
	return false
}

// finish lets the clients stop and all come to rest, then compares everything with everything.
func (w *world) finish() {
	w.crowd.closed = true
	begin := w.now
	for w.now-begin < w.patience() && w.failure == nil && !w.resting() {
		w.run(w.now+sliceMicros, nil)
	}
	if w.failure == nil && !w.resting() {
		w.stuck(w.crowd.open, "to come to rest")
	}
	if w.failure == nil {
		w.check.final()
	}
}

// resting reports whether all honest nodes published the same, and owe nobody anything.
func (w *world) resting() bool {
	if len(w.crowd.open) > 0 || !w.office.done() && !w.excused() {
		return false
	}
	for _, n := range w.honest() {
		if lane := &w.check.model.lanes[n.no]; lane.since == n.ownSince && lane.sequence < n.own.sequence {
			return false
		}
	}
	for _, n := range w.honest() {
		if !n.up || n.halted != "" || n.blocks.head != w.check.top || n.machine.Height() != w.check.top || n.restless() {
			return false
		}
	}
	return true
}

func (w *world) result(healed int64) *Result {
	r := &Result{
		Seed: w.opts.Seed, Blocks: len(w.check.certified), Faults: w.faults, Failure: w.failure, Events: w.events, Trace: w.trace, StormMs: w.stormUs / 1000, HealMs: healed / 1000,
		Misled: w.check.misled, Seen: w.seen,
	}
	for _, e := range w.plan {
		r.Episodes = append(r.Episodes, e.id)
		r.Plan = append(r.Plan, e.String())
	}
	return r
}
