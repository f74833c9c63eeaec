// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

var simSeeds = flag.Uint64("seeds", 40, "worlds of each kind to simulate")

// world runs cores from a seed: frames are lost, doubled and turned around, validators part and lose their power, one
// is slow, one may lie. Ordering is a list that all agree on.
type world struct {
	t       testing.TB
	rand    *rand.Rand
	nodes   []*simNode
	liar    *liar
	frames  []simFrame
	apart   []int // group of each node
	loss    float64
	decided []chain.LaneEntry
	ordered map[chain.Hash]bool
	made    map[chain.Hash]chain.LaneEntry
	all     []chain.LaneEntry // made, in order
	offered map[place]chain.Hash
	trace   uint64
	cover   map[string]int // what happened, so that a run which tests nothing is seen
}

type simFrame struct {
	from, to chain.ValidatorNo
	kind     uint8
	body     []byte
}

// simNode is a core, its disk and its executor. Its fields above core survive a crash.
type simNode struct {
	no       chain.ValidatorNo
	log      []chain.LaneEntry // durable, in the order it was written
	disk     map[chain.Hash]bool
	executed int // of the decided list
	slow     bool

	core    *Core               // nil: no power
	memory  map[chain.Hash]bool // accepted payloads
	pending []chain.LaneEntry   // accepted, not durable
	lanes   []Position          // executed
	last    []uint64            // by lane: the newest place offered in this life
	tip     Position            // own lane, durable or not
	full    bool
	sent    map[chain.ValidatorNo]int
}

func simBounds() Bounds {
	return Bounds{
		LaneBytesMax: 3000, LaneEntriesMax: 12, WindowBytes: 1000, WindowEntries: 4, KeepEntries: 6, MissingMax: 6, FetchesMax: 2,
		ServeBytes: 20 * chain.BatchBytesMax, ResendTicks: 6, FetchTicks: 5, AnnounceTicks: 8,
	}
}

func newWorld(t testing.TB, seed uint64, size int, lies bool) *world {
	w := &world{
		t: t, rand: rand.New(rand.NewPCG(seed, 3)), apart: make([]int, size), ordered: map[chain.Hash]bool{},
		made: map[chain.Hash]chain.LaneEntry{}, offered: map[place]chain.Hash{}, cover: map[string]int{},
	}
	for i := range size {
		w.nodes = append(w.nodes, &simNode{no: chain.ValidatorNo(i), disk: map[chain.Hash]bool{}, sent: map[chain.ValidatorNo]int{}})
	}
	w.nodes[1].slow = true
	if lies {
		w.liar = &liar{no: chain.ValidatorNo(size - 1)}
	}
	for _, n := range w.honest() {
		w.boot(n)
	}
	w.link(make([]int, size))
	return w
}

func (w *world) honest() []*simNode {
	if w.liar != nil {
		return w.nodes[:len(w.nodes)-1]
	}
	return w.nodes
}

func (w *world) powered(v chain.ValidatorNo) bool {
	return w.nodes[v].core != nil || w.liar != nil && v == w.liar.no
}

// boot powers a node up from its disk and what it executed.
func (w *world) boot(n *simNode) {
	w.t.Helper()
	n.lanes = make([]Position, len(w.nodes))
	for _, e := range w.decided[:n.executed] {
		n.lanes[e.Validator] = Position{Sequence: e.Sequence, Digest: codec.EntryDigest(e)}
	}
	states := make([]LaneState, len(w.nodes))
	for i := range states {
		states[i] = LaneState{Epoch: 1, Executed: n.lanes[i].Sequence, Digest: n.lanes[i].Digest}
		states[i].Stored = chainOf(n.log, chain.ValidatorNo(i), n.lanes[i])
	}
	core, err := New(Config{Self: n.no, Bounds: simBounds()}, states)
	if err != nil {
		w.t.Fatalf("node %d does not start: %v", n.no, err)
	}
	n.core, n.memory, n.pending, n.last = core, map[chain.Hash]bool{}, nil, make([]uint64, len(w.nodes))
	n.tip = Position{Sequence: core.own().tip(), Digest: core.own().tipDigest()}
	w.step(n)
	for v := range w.nodes {
		if v := chain.ValidatorNo(v); v != n.no && w.powered(v) && w.apart[v] == w.apart[n.no] {
			w.step(n, Connected{v})
			if peer := w.nodes[v]; peer.core != nil {
				w.step(peer, Disconnected{n.no}, Connected{n.no})
			}
		}
	}
}

// chainOf finds a lane's entries behind a place in a log: of two for one place the later one counts.
func chainOf(log []chain.LaneEntry, lane chain.ValidatorNo, from Position) (entries []chain.LaneEntry) {
	tips := []chain.Hash{from.Digest}
	for i, e := range log {
		if e.Validator != lane || e.Sequence <= from.Sequence {
			continue
		}
		at := int(e.Sequence - from.Sequence - 1)
		if at > len(entries) || tips[at] != e.Parent || at < len(entries) && entries[at] == e {
			continue
		}
		entries, tips = append(entries[:at], e), append(tips[:at+1], codec.EntryDigest(e))
		// What was written before its parent follows now.
		for j := 0; j < i; j++ {
			if e := log[j]; e.Validator == lane && e.Parent == tips[len(entries)] {
				entries, tips, j = append(entries, e), append(tips, codec.EntryDigest(e)), -1
			}
		}
	}
	return entries
}

// crash takes the power: what was not durable is gone, and some of what was executed is executed again.
func (w *world) crash(n *simNode) {
	n.core = nil
	n.executed -= w.rand.IntN(min(n.executed, 5) + 1)
	w.frames = slices.DeleteFunc(w.frames, func(f simFrame) bool { return f.to == n.no || f.from == n.no })
	for _, peer := range w.honest() {
		if peer.core != nil {
			w.step(peer, Disconnected{n.no})
		}
	}
	w.cover["crash"]++
}

// link changes who reaches whom.
func (w *world) link(groups []int) {
	w.apart = groups
	w.frames = slices.DeleteFunc(w.frames, func(f simFrame) bool { return groups[f.from] != groups[f.to] })
	for _, n := range w.honest() {
		for v := range w.nodes {
			if v := chain.ValidatorNo(v); n.core == nil || v == n.no {
				continue
			} else if w.powered(v) && groups[v] == groups[n.no] {
				w.step(n, Connected{v})
			} else {
				w.step(n, Disconnected{v})
			}
		}
	}
}

func (w *world) post(f simFrame) {
	if w.apart[f.from] != w.apart[f.to] || !w.powered(f.to) || w.rand.Float64() < w.loss {
		return
	}
	w.frames = append(w.frames, f)
}

// step steps a node and does what it says.
func (w *world) step(n *simNode, inputs ...Input) {
	w.t.Helper()
	out := n.core.Step(inputs...)
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %+v", w.trace, n.no, out)
	w.trace = h.Sum64()
	n.full = out.Backpressure
	for _, v := range out.Verdicts {
		w.cover["verdict "+v.Refused]++
		if e := w.made[v.Digest]; v.Refused == "" && !slices.Contains(n.pending, e) {
			n.memory[v.Digest] = true
			n.pending = append(n.pending, e)
		}
	}
	for _, s := range out.Send {
		if s.Sequence == 0 {
			w.cover["lookup"]++
		}
		if n.memory[s.Digest] || n.disk[s.Digest] {
			n.sent[s.To]++
			w.post(simFrame{n.no, s.To, KindEntry, AppendEntryHead(nil, &EntryHead{Entry: w.made[s.Digest]})})
		}
	}
	for _, a := range out.Acks {
		w.post(simFrame{n.no, a.To, KindAck, AppendPositions(nil, a.Positions)})
	}
	for _, a := range out.Asks {
		w.cover[fmt.Sprintf("ask stream %v", a.Digest.IsZero())]++
		w.post(simFrame{n.no, a.To, KindAsk, AppendAsk(nil, a.Ask)})
	}
	for _, d := range out.Offer {
		w.offer(n, d)
	}
	for _, e := range out.Evidence {
		w.accuse(n, e)
	}
}

// accuse checks that no honest validator is accused: whoever is, is the liar.
func (w *world) accuse(n *simNode, e Evidence) {
	w.t.Helper()
	w.cover[fmt.Sprintf("evidence %d", e.Kind)]++
	owner := w.liar != nil && e.Lane == w.liar.no
	acker := w.liar != nil && e.From == w.liar.no && (e.Kind == EvidenceAck || e.Kind == EvidenceAhead)
	if !owner && !acker {
		w.t.Fatalf("node %d accuses an honest validator: %+v", n.no, e)
	}
}
