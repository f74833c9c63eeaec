// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// offer checks an offered digest, and has it ordered.
func (w *world) offer(n *simNode, d chain.Hash) {
	w.t.Helper()
	e := w.made[d]
	need, holders := chain.Quorum(len(w.nodes)), 0
	if w.liar != nil {
		need--
	}
	for _, h := range w.honest() {
		if h.disk[d] {
			holders++
		}
	}
	at := place{e.Validator, e.Sequence}
	other, ok := w.offered[at]
	switch {
	case holders < need:
		w.t.Fatalf("node %d offers entry %d of lane %d, which %d honest nodes hold: at least %d", n.no, e.Sequence, e.Validator, holders, need)
	case e.Sequence <= n.last[e.Validator]:
		w.t.Fatalf("node %d offers entry %d of lane %d behind entry %d", n.no, e.Sequence, e.Validator, n.last[e.Validator])
	case ok && other != d:
		w.t.Fatalf("two entries %d of lane %d are available", e.Sequence, e.Validator)
	}
	n.last[e.Validator], w.offered[at] = e.Sequence, d
	if !w.ordered[d] {
		w.ordered[d] = true
		w.decided = append(w.decided, e)
	}
}

// execute runs decided entries whose payload is durable here, and asks for the payload of those that are not here.
func (w *world) execute(n *simNode) {
	for n.executed < len(w.decided) {
		e := w.decided[n.executed]
		d := codec.EntryDigest(e)
		if !n.disk[d] {
			for _, next := range w.decided[n.executed:min(n.executed+5, len(w.decided))] {
				if d := codec.EntryDigest(next); !n.disk[d] && !n.memory[d] {
					w.step(n, Missing{Digest: d})
				}
			}
			return
		}
		if was := n.lanes[e.Validator]; e.Sequence != was.Sequence+1 || e.Parent != was.Digest {
			w.t.Fatalf("lane %d: entry %d was decided behind entry %d", e.Validator, e.Sequence, was.Sequence)
		}
		n.executed++
		n.lanes[e.Validator] = Position{Sequence: e.Sequence, Digest: d}
		w.step(n, Executed{e.Validator, e.Sequence, d})
	}
}

// cut makes an own entry. It is durable, and told, later.
func (w *world) cut(n *simNode) {
	if n.full || len(n.pending) > 8 {
		w.cover["full"]++
		return
	}
	e := w.entry(n.no, n.tip)
	n.tip = Position{Sequence: e.Sequence, Digest: codec.EntryDigest(e)}
	n.pending = append(n.pending, e)
}

func (w *world) entry(lane chain.ValidatorNo, parent Position) chain.LaneEntry {
	e := chain.LaneEntry{
		Validator: lane, JoinEpoch: 1, Sequence: parent.Sequence + 1, Parent: parent.Digest, Kind: chain.PayloadBatch,
		Payload: codec.Sum(fmt.Append(nil, len(w.made))), Bytes: uint32(100 + w.rand.IntN(400)),
	}
	w.made[codec.EntryDigest(e)] = e
	w.all = append(w.all, e)
	return e
}

// flush makes the oldest pending entries durable.
func (w *world) flush(n *simNode) {
	for range min(len(n.pending), 1+w.rand.IntN(4)) {
		e := n.pending[0]
		d := codec.EntryDigest(e)
		n.pending = n.pending[1:]
		n.log, n.disk[d] = append(n.log, e), true
		if e.Validator == n.no && !n.memory[d] {
			n.memory[d] = true
			w.step(n, OwnStored{e})
		} else {
			w.step(n, PeerStored{e.Validator, e.Sequence, d})
		}
	}
}

// deliver hands over a frame: mostly the oldest, sometimes any.
func (w *world) deliver() {
	if len(w.frames) == 0 {
		return
	}
	i := 0
	if w.rand.IntN(4) == 0 {
		i = w.rand.IntN(len(w.frames))
	}
	f := w.frames[i]
	if w.loss == 0 || w.rand.IntN(20) != 0 {
		w.frames = slices.Delete(w.frames, i, i+1)
	}
	if w.liar != nil && f.to == w.liar.no {
		w.liar.receive(w, f)
		return
	}
	n := w.nodes[f.to]
	switch f.kind {
	case KindEntry:
		h, err := DecodeEntryHead(f.body)
		if err != nil {
			w.t.Fatal(err)
		}
		w.step(n, PeerEntry{f.from, h.Entry})
	case KindAck:
		positions, err := DecodePositions(f.body)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, at := range positions {
			w.step(n, Ack{f.from, at})
		}
	case KindAsk:
		ask, err := DecodeAsk(f.body)
		if err != nil {
			w.t.Fatal(err)
		}
		w.step(n, Asked{f.from, ask})
	}
}

// act does one thing that may happen at any time.
func (w *world) act() {
	nodes := w.honest()
	n := nodes[w.rand.IntN(len(nodes))]
	switch r := w.rand.IntN(100); {
	case n.core == nil:
		if r < 20 {
			w.boot(n)
		}
	case r < 8:
		w.step(n, Tick{})
	case r < 16:
		w.cut(n)
	case r < 30:
		if !n.slow || r == 16 {
			w.flush(n)
		}
	case r < 40:
		w.execute(n)
	case r < 45 && w.liar != nil:
		w.liar.act(w)
	default:
		for range 1 + w.rand.IntN(2*len(w.nodes)) {
			w.deliver()
		}
	}
	switch w.rand.IntN(1500) {
	case 0, 1:
		if n.core != nil {
			w.crash(n)
		}
	case 2:
		groups := make([]int, len(w.nodes))
		for i := range groups {
			groups[i] = w.rand.IntN(2)
		}
		w.link(groups)
	case 3, 4:
		w.link(make([]int, len(w.nodes)))
	case 5:
		w.loss = []float64{0, 0.05, 0.4}[w.rand.IntN(3)]
	}
}

// heal lets everything work, and runs until everybody executed everything, or too long.
func (w *world) heal() {
	w.t.Helper()
	w.loss = 0
	for _, n := range w.honest() {
		if n.core == nil {
			w.boot(n)
		}
	}
	w.link(make([]int, len(w.nodes)))
	for range 3000 {
		if w.done() {
			return
		}
		for _, n := range w.honest() {
			w.step(n, Tick{})
			w.flush(n)
			w.execute(n)
		}
		if w.liar != nil {
			w.liar.act(w)
		}
		for range len(w.frames) {
			w.deliver()
		}
	}
	for _, n := range w.honest() {
		w.t.Errorf("node %d executed %d of %d, %d pending, missing %d, own lane %+v", n.no, n.executed, len(w.decided), len(n.pending), len(n.core.missing), n.tip)
	}
	w.t.Fatal("it does not come to rest")
}

func (w *world) done() bool {
	for _, n := range w.honest() {
		if n.executed < len(w.decided) || len(n.pending) > 0 {
			return false
		}
		for _, e := range n.log {
			if e.Validator == n.no && !w.ordered[codec.EntryDigest(e)] {
				return false
			}
		}
	}
	return true
}

// run runs a world to its end.
func run(t testing.TB, seed uint64, size int, lies bool) *world {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	w := newWorld(t, seed, size, lies)
	for range 4000 {
		w.act()
	}
	w.heal()
	w.bounded()
	return w
}

// bounded checks that the cores remember no more than they may.
func (w *world) bounded() {
	w.t.Helper()
	b := simBounds()
	for _, n := range w.honest() {
		remembered := 0
		for _, l := range n.core.lanes {
			remembered += len(l.entries)
			if keep := uint64(len(l.entries)); l.no != n.no && keep > b.LaneEntriesMax+uint64(b.MissingMax) || keep > b.LaneEntriesMax+b.KeepEntries+8 {
				w.t.Errorf("node %d remembers %d entries of lane %d", n.no, keep, l.no)
			}
		}
		if len(n.core.places) != remembered || len(n.core.missing) > b.MissingMax {
			w.t.Errorf("node %d remembers %d places of %d entries, %d missing", n.no, len(n.core.places), remembered, len(n.core.missing))
		}
	}
}

func TestSimulation(t *testing.T) {
	seeds := *simSeeds
	if testing.Short() {
		seeds = min(seeds, 8)
	}
	for _, c := range []struct {
		size int
		lies bool
	}{{4, false}, {7, false}, {4, true}, {7, true}} {
		t.Run(fmt.Sprintf("%d validators, a liar %v", c.size, c.lies), func(t *testing.T) {
			cover, decided := map[string]int{}, 0
			for seed := range seeds {
				w := run(t, seed, c.size, c.lies)
				decided += len(w.decided)
				for k, v := range w.cover {
					cover[k] += v
				}
			}
			t.Logf("%d decided; %v", decided, cover)
			want := []string{"crash", "lookup", "full", "ask stream true", "ask stream false", "verdict gap", "verdict lane_full", "verdict old", "verdict duplicate"}
			if c.lies {
				want = append(want, "evidence 1", "evidence 3", "verdict fork", "verdict lane_faulted", "verdict not_owner")
			}
			for _, k := range want {
				if cover[k] == 0 {
					t.Errorf("it never came to %q", k)
				}
			}
		})
	}
}

func TestSameSeedSameRun(t *testing.T) {
	if a, b := run(t, 5, 7, true), run(t, 5, 7, true); a.trace != b.trace {
		t.Errorf("two runs of one seed differ: %x, %x", a.trace, b.trace)
	}
}
