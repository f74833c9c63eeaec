// SPDX-License-Identifier: Apache-2.0

package raft

import (
	crand "crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// world runs cores without their loop, from a seed: frames are lost, doubled and turned around, nodes lose their power
// between any two records, hosts read slowly, forget and fetch.
type world struct {
	t       testing.TB
	rand    *rand.Rand
	nodes   []*simNode
	frames  []simFrame
	apart   []int // group of each node
	loss    float64
	history []*chain.Proposal // what was decided anywhere
	digests int
	nowUs   uint64
	trace   uint64 // hash of all that was decided and written
}

type simFrame struct {
	from, to chain.ValidatorNo
	frame    []byte
}

type simRecord struct {
	at  seglog.Pos
	rec Record
}

// simNode is a core, its disk and its host.
type simNode struct {
	no      chain.ValidatorNo
	core    *Core // nil: no power
	disk    []simRecord
	seq     uint64
	unacked []Record
	queue   []*chain.Proposal // decided, not read
	state   chain.Height      // what the host executed
	kept    chain.Height      // the host's state is never below it after a crash: its log was cut
	fetched chain.Height
	fetch   *SnapshotRef
	offered []chain.Hash
	lives   uint64
	records int // written, all lives
}

// recordsPerSegment makes segments short, so that cutting the log happens.
const recordsPerSegment = 4

func newWorld(t testing.TB, seed uint64, size int) *world {
	w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 7)), apart: make([]int, size), nowUs: 1}
	for i := range size {
		w.nodes = append(w.nodes, &simNode{no: chain.ValidatorNo(i)})
	}
	for _, n := range w.nodes {
		w.boot(n)
	}
	return w
}

func simConfig(n *simNode) CoreConfig {
	return CoreConfig{
		Self: n.no, ElectionTicks: 10, HeartbeatTicks: 3, RetryTicks: 30, OverdueTicks: 100, SnapshotTicks: 50,
		WindowMax: 4, PendingMax: 50, EntriesMax: 3, RecentMax: 200, Incarnation: uint64(n.no)<<32 | n.lives, Logger: logger{discard},
	}
}

func (n *simNode) log() iter.Seq2[seglog.Pos, Record] {
	return func(yield func(seglog.Pos, Record) bool) {
		for _, r := range n.disk {
			if !yield(r.at, r.rec) {
				return
			}
		}
	}
}

// boot powers a node up from its disk and its host's state.
func (w *world) boot(n *simNode) {
	w.t.Helper()
	found, err := Recover(Genesis{Voters: voters(len(w.nodes))}, Start{Height: n.state, Fetched: n.fetched}, n.log())
	if err != nil {
		w.t.Fatalf("node %d does not start: %v", n.no, err)
	}
	if n.core, err = NewCore(simConfig(n), found); err != nil {
		w.t.Fatal(err)
	}
	n.lives++
	n.queue, n.unacked, n.fetch = nil, nil, nil
	w.step(n)
	seen := map[chain.Hash]bool{}
	for _, p := range w.history[:n.state] {
		for _, d := range p.Entries {
			seen[d] = true
		}
	}
	for _, d := range n.offered {
		if !seen[d] {
			w.step(n, Offered{d})
		}
	}
}

// crash takes the power: of the records that were not acknowledged any number of the first ones may be there.
func (w *world) crash(n *simNode) {
	for _, r := range n.unacked[:w.rand.IntN(len(n.unacked)+1)] {
		w.write(n, r)
	}
	n.core = nil
	if n.state > n.kept {
		n.state -= chain.Height(w.rand.Uint64N(uint64(n.state-n.kept) + 1))
	}
	n.fetched = min(n.fetched, n.state)
}

func (w *world) write(n *simNode, r Record) seglog.Pos {
	n.seq++
	n.records++
	at := seglog.Pos{Segment: 1 + n.seq/recordsPerSegment, Seq: n.seq, Offset: 4096, Bytes: 4096}
	n.disk = append(n.disk, simRecord{at, r})
	w.note(uint64(n.no), n.seq, codec.Sum(append(slices.Clone(r.Meta), r.Payload...)))
	return at
}

func (w *world) note(values ...any) {
	h := fnv.New64a()
	fmt.Fprint(h, w.trace, values)
	w.trace = h.Sum64()
}

// step steps a core and takes what it says.
func (w *world) step(n *simNode, inputs ...Input) {
	w.t.Helper()
	out, err := n.core.Step(inputs...)
	if err != nil {
		w.t.Fatalf("node %d: %v", n.no, err)
	}
	n.unacked = append(n.unacked, out.Append...)
	for _, s := range out.Send {
		w.frames = append(w.frames, simFrame{n.no, s.To, s.Frame})
	}
	for _, p := range out.Decided {
		w.decide(n, p)
	}
	if out.Fetch != nil {
		n.fetch = out.Fetch
	}
	w.checkNode(n)
}

// decide compares what a node decided with what others did.
func (w *world) decide(n *simNode, p *chain.Proposal) {
	w.t.Helper()
	n.queue = append(n.queue, p)
	switch h := int(p.Height); {
	case h > len(w.history)+1 || h == 0:
		w.t.Fatalf("node %d decided height %d after %d", n.no, h, len(w.history))
	case h == len(w.history)+1:
		if h > 1 && p.TimeUs <= w.history[h-2].TimeUs {
			w.t.Fatalf("height %d has time %d after %d", h, p.TimeUs, w.history[h-2].TimeUs)
		}
		w.history = append(w.history, p)
		w.note(codec.ProposalHash(p))
	case codec.ProposalHash(p) != codec.ProposalHash(w.history[h-1]):
		w.t.Fatalf("node %d decided height %d as %+v, another one as %+v", n.no, h, p, w.history[h-1])
	}
}

// checkNode checks what must hold after each step.
func (w *world) checkNode(n *simNode) {
	w.t.Helper()
	c := n.core
	logged := map[chain.Hash]int{}
	for _, m := range c.trail.marks {
		if m.proposal != nil {
			for _, d := range m.proposal.Entries {
				logged[d]++
			}
		}
	}
	if len(logged) != len(c.offers.inLog) {
		w.t.Fatalf("node %d counts %d digests in its log, there are %d", n.no, len(c.offers.inLog), len(logged))
	}
	if c.trail.base != c.storage.base.index && len(c.writes) == 0 {
		w.t.Fatalf("node %d: the trail begins at %d, the log at %d", n.no, c.trail.base, c.storage.base.index)
	}
}

// seedElections makes the library's election jitter a function of the seed, until the test ends.
func seedElections(t testing.TB, seed uint64) {
	before := crand.Reader
	t.Cleanup(func() { crand.Reader = before })
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	crand.Reader = rand.NewChaCha8(key)
}

func simulate(t testing.TB, seed uint64, size, steps int) *world {
	seedElections(t, seed)
	w := newWorld(t, seed, size)
	for range steps {
		w.act()
	}
	w.calm()
	w.checkHistory()
	return w
}

// simSeeds makes the simulation longer: go test -run TestSimulation ./internal/order/raft -seeds 5000
var simSeeds = flag.Uint64("seeds", 60, "seeds that the simulation tries")

func TestSimulation(t *testing.T) {
	seeds, steps := *simSeeds, 6000
	if testing.Short() {
		seeds = 10
	}
	heights, records := 0, 0
	for seed := range seeds {
		for _, size := range []int{1, 3, 4, 5} {
			t.Run(fmt.Sprintf("%d/%d", size, seed), func(t *testing.T) {
				w := simulate(t, seed, size, steps)
				heights += len(w.history)
				records += w.nodes[0].records
			})
		}
	}
	t.Logf("%d heights, %d records on the first nodes", heights, records)
	if heights < int(seeds)*100 {
		t.Errorf("only %d heights were decided: the simulation is too rough to prove anything", heights)
	}
}

func TestSimulationRepeatsItself(t *testing.T) {
	for seed := range uint64(3) {
		a, b := simulate(t, seed, 4, 4000), simulate(t, seed, 4, 4000)
		if a.trace != b.trace || len(a.history) != len(b.history) {
			t.Errorf("seed %d: two runs gave %x and %x", seed, a.trace, b.trace)
		}
	}
}
