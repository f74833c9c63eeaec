// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// world is a network, its clients and all that befalls them, in one goroutine under virtual time.
type world struct {
	opts Options
	shape
	plan []*episode

	now    int64 // microseconds
	queue  queue
	events int
	trace  uint64
	net    *network
	nodes  []*replica // by number: the honest ones of the first epoch, the liars, and who is to join
	well   []*replica // honest members of the newest epoch
	others []*replica // all that are no liars
	places int        // of nodes
	crowd  *crowd
	check  *checker

	genesis     *chain.Genesis
	genesisHash chain.Hash
	members     *chain.Membership // of the first epoch
	keys        macs
	proofs      *proofs
	drill       *drill               // nil: nobody seals the epoch
	office      *office              // nil: nobody changes the membership
	truths      map[chain.Hash]truth // every lane entry that was ever made

	// One source of chance for each purpose, so that a fault left out changes as little else as can be.
	netRand, diskRand, lieRand, clientRand, hostRand *rand.Rand

	faults  map[string]int
	seen    map[string]int
	failure *Failure
	slabs   *slabs
}

// A Failure is a promise that was broken.
type Failure struct {
	Check string  `json:"check"` // the checker that saw it
	Text  string  `json:"text"`
	At    float64 `json:"at_s"` // virtual seconds
}

func newWorld(o Options, s *slabs) *world {
	draw := rand.New(rand.NewPCG(o.Seed, 1))
	w := &world{opts: o, shape: drawShape(draw), keys: macs{o.Seed}, truths: map[chain.Hash]truth{}, faults: countKinds(), seen: map[string]int{}, slabs: s}
	for i, r := range []**rand.Rand{&w.netRand, &w.diskRand, &w.lieRand, &w.clientRand, &w.hostRand} {
		*r = rand.New(rand.NewPCG(o.Seed, uint64(2+i)))
	}
	w.plan = withChanges(withSeal(drawPlan(draw, w.shape), w.shape, o.Seed), w.shape, o.Seed)
	w.plan = slices.DeleteFunc(w.plan, func(e *episode) bool { return slices.Contains(o.Without, e.id) })
	if o.StormMillis > 0 {
		w.stormUs = min(w.stormUs, o.StormMillis*1000)
	}
	w.genesis = newGenesis(w.size)
	w.genesisHash = codec.GenesisHash(w.genesis)
	w.members = w.genesis.Membership()
	w.proofs = newProofs(w.keys, w.genesis)
	w.openDrill()
	w.openOffice()
	w.net, w.check = newNetwork(w), newChecker(w)
	for v := range w.places {
		w.nodes = append(w.nodes, newReplica(w, v))
		if !w.isLiar(chain.ValidatorNo(v)) {
			w.others = append(w.others, w.nodes[v])
		}
	}
	w.meet(w.members)
	w.crowd = newCrowd(w)
	return w
}

// after plans an event.
func (w *world) after(micros int64, node int, do func()) {
	w.queue.push(w.now+max(micros, 0), node, do)
}

// run lets time pass until a moment, or until something failed or done says so.
func (w *world) run(until int64, done func() bool) {
	for w.failure == nil && len(w.queue.heap) > 0 && w.queue.heap[0].at <= until {
		e := w.queue.pop()
		w.now = e.at
		w.events++
		w.dispatch(&e)
		if done != nil && done() {
			return
		}
	}
	w.now = max(w.now, until)
}

func (w *world) dispatch(e *event) {
	defer w.caught(e.node)
	e.do()
}

// caught turns a panic into a failure: whoever lies, no message may end an honest node. A liar's own may end.
func (w *world) caught(node int) {
	r := recover()
	switch {
	case r == nil:
	case node >= 0 && w.nodes[node].liar != nil:
		w.nodes[node].crash()
	default:
		w.fail("panic", "node %d: %v\n%s", node, r, debug.Stack())
	}
}

// fail notes the first promise that was broken; the run ends there.
func (w *world) fail(check, format string, args ...any) {
	if w.failure == nil {
		w.failure = &Failure{Check: check, Text: fmt.Sprintf(format, args...), At: seconds(w.now)}
	}
}

func (w *world) count(kind string, n int) { w.faults[kind] += n }

// note makes something a part of the run's trace: runs with the same trace did the same.
func (w *world) note(what uint64) {
	const prime = 1_099_511_628_211 // of FNV
	w.trace = (w.trace^uint64(w.now))*prime ^ what
	w.trace *= prime
}

// see counts that something rare happened, so that a simulation which tests nothing is noticed.
func (w *world) see(what string, n int) { w.seen[what] += n }

// slabs lends the memory of pages to one run after the other.
type slabs struct{ free, lent [][]pages.Page }

func (s *slabs) take() []pages.Page {
	var slab []pages.Page
	if n := len(s.free); n > 0 {
		slab, s.free = s.free[n-1], s.free[:n-1]
	} else {
		slab = make([]pages.Page, pages.SlabPages)
	}
	s.lent = append(s.lent, slab)
	return slab
}

// reclaim takes all memory back that was lent.
func (s *slabs) reclaim() {
	s.free = append(s.free, s.lent...)
	s.lent = nil
}
