// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"encoding/binary"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

func (w *world) any() *simNode {
	n := w.nodes[w.rand.IntN(len(w.nodes))]
	if n.core == nil {
		w.boot(n)
	}
	return n
}

// deliver takes a frame out of the network, usually an old one.
func (w *world) deliver() {
	if len(w.frames) == 0 {
		return
	}
	i := 0
	if w.rand.IntN(4) == 0 {
		i = w.rand.IntN(min(len(w.frames), 20))
	}
	f := w.frames[i]
	if w.rand.IntN(50) != 0 { // else it comes once more
		w.frames = slices.Delete(w.frames, i, i+1)
	}
	n := w.nodes[f.to]
	if n.core == nil || w.apart[f.from] != w.apart[f.to] || w.rand.Float64() < w.loss {
		return
	}
	m, err := ParseFrame(f.frame)
	if err != nil {
		w.t.Fatal(err)
	}
	w.step(n, Received{From: f.from, Message: m})
}

// acknowledge makes a node's oldest record durable.
func (w *world) acknowledge(n *simNode) {
	if len(n.unacked) == 0 {
		return
	}
	r := n.unacked[0]
	n.unacked = n.unacked[1:]
	w.step(n, Appended{w.write(n, r)})
	if n.core.compacting() {
		return
	}
	floor := n.core.Floor()
	for len(n.disk) > 0 && n.disk[0].at.Segment < floor {
		n.disk = n.disk[1:]
	}
}

func (w *world) read(n *simNode) {
	if len(n.queue) == 0 {
		return
	}
	p := n.queue[0]
	n.queue = n.queue[1:]
	n.state = max(n.state, p.Height)
	w.step(n, Delivered{p.Height})
}

func (w *world) offer(n *simNode) {
	if len(n.core.offers.own) >= n.core.cfg.PendingMax {
		return
	}
	w.digests++
	var d chain.Hash
	binary.BigEndian.PutUint64(d[:], uint64(w.digests))
	n.offered = append(n.offered, d)
	w.step(n, Offered{d})
}

func (w *world) compact(n *simNode) {
	if n.state < 4 {
		return
	}
	below := n.state - chain.Height(w.rand.Uint64N(3))
	n.kept = max(n.kept, below)
	w.step(n, Compact{Below: below, Ref: []byte{byte(below)}})
}

// fetchState gives a node the state of some height at or above the one asked for.
func (w *world) fetchState(n *simNode) {
	if n.fetch == nil {
		return
	}
	ref := n.fetch
	n.fetch = nil
	if w.rand.IntN(4) == 0 {
		w.step(n, Fetched{})
		return
	}
	h := ref.Height + chain.Height(w.rand.IntN(len(w.history)-int(ref.Height)+1))
	n.state, n.fetched = max(n.state, h), max(n.fetched, h)
	n.kept = n.state
	for _, p := range w.history[:h] {
		for _, d := range p.Entries {
			w.step(n, Withdrawn{d})
		}
	}
	w.step(n, Fetched{Height: h, OK: true})
}

// cut lets a node propose, which it may only while its window has room.
func (w *world) cut(n *simNode) {
	w.t.Helper()
	before, most := n.core.Status(), w.rand.IntN(4)
	w.step(n, Cut{NowUs: w.nowUs - uint64(w.rand.IntN(2)), Most: most})
	after := n.core.Status()
	if after.Tail > before.Tail+chain.Height(max(1, most)) || after.Window > max(before.Window, after.WindowMax) || (after.Tail > before.Tail && (before.Role != "leader" || before.Window >= before.WindowMax)) {
		w.t.Fatalf("from %+v a cut led to %+v", before, after)
	}
}

// act does one thing, chosen by chance.
func (w *world) act() {
	switch k := w.rand.IntN(1000); {
	case k < 500:
		w.deliver()
	case k < 620:
		w.step(w.any(), Tick{})
	case k < 800:
		w.acknowledge(w.any())
	case k < 870:
		w.read(w.any())
	case k < 930:
		w.nowUs += uint64(w.rand.IntN(3))
		w.cut(w.any())
	case k < 970:
		w.offer(w.any())
	case k < 975:
		w.step(w.any(), Nudged{})
	case k < 983:
		w.compact(w.any())
	case k < 990:
		w.fetchState(w.any())
	case k < 994:
		w.crash(w.any())
	case k < 996:
		for i := range w.apart {
			w.apart[i] = w.rand.IntN(2)
		}
	case k < 999:
		clear(w.apart)
	default:
		w.loss = float64(w.rand.IntN(3)) / 10
	}
}

// calm lets the network work as it should until all that was offered is decided everywhere.
func (w *world) calm() {
	w.t.Helper()
	clear(w.apart)
	w.loss = 0
	for range 3000 {
		for _, n := range w.nodes {
			if n.core == nil {
				w.boot(n)
			}
			w.step(n, Tick{}, Cut{NowUs: w.nowUs})
			for len(n.unacked) > 0 {
				w.acknowledge(n)
			}
			w.fetchState(n)
			for len(n.queue) > 0 {
				w.read(n)
			}
		}
		for range len(w.frames) {
			w.deliver()
		}
		if w.finished() {
			return
		}
	}
	for _, n := range w.nodes {
		w.t.Logf("node %d: %+v, state %d", n.no, n.core.Status(), n.state)
	}
	w.t.Fatalf("at height %d the network does not come to rest", len(w.history))
}

func (w *world) finished() bool {
	for _, n := range w.nodes {
		if int(n.state) != len(w.history) || len(n.core.offers.own) > 0 {
			return false
		}
	}
	return true
}

// checkHistory checks that all was decided, each offerer's first occurrences in the order offered.
func (w *world) checkHistory() {
	w.t.Helper()
	place := map[chain.Hash]int{}
	for _, p := range w.history {
		for _, d := range p.Entries {
			if _, ok := place[d]; !ok {
				place[d] = len(place)
			}
		}
	}
	for _, n := range w.nodes {
		last := -1
		for _, d := range n.offered {
			at, ok := place[d]
			if !ok || at <= last {
				w.t.Fatalf("node %d: %v is missing (%v) or out of turn", n.no, d, !ok)
			}
			last = at
		}
	}
}
