// SPDX-License-Identifier: Apache-2.0

package ordertest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/order"
)

// crew is a network at work, and what each node decided.
type crew struct {
	*testing.T
	Cluster
	nodes []*node
}

// node is one engine and its host, whose state outlives a crash.
type node struct {
	engine  order.Engine
	cancel  context.CancelFunc
	end     chan error
	read    chan struct{} // closed when the reader has ended
	offered []chain.Hash  // in order, all lives

	mu      sync.Mutex
	paused  bool              // guarded by mu: the reader does not read
	decided []*chain.Proposal // guarded by mu; decided[i] has height i+1
}

// start brings a node up. Its host remembers half of what it decided, as after a checkpoint.
func (g *crew) start(i int) {
	g.Helper()
	n := g.nodes[i]
	from := len(n.decided) / 2
	again := n.decided[from:]
	n.decided = slices.Clone(n.decided[:from])
	n.engine = g.Open(g.T, i, Settings{From: chain.Height(from)})
	ctx, cancel := context.WithCancel(g.Context())
	n.cancel, n.end, n.read = cancel, make(chan error, 1), make(chan struct{})
	go func() { n.end <- n.engine.Run(ctx) }()
	go g.readAll(ctx, n, again)
}

// readAll is the host: it takes what is decided. What it had taken before must come out again as it was.
func (g *crew) readAll(ctx context.Context, n *node, again []*chain.Proposal) {
	defer close(n.read)
	for {
		n.mu.Lock()
		paused := n.paused
		n.mu.Unlock()
		if paused {
			pause(time.Millisecond)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case p := <-n.engine.Decided():
			n.mu.Lock()
			n.decided = append(n.decided, p)
			height := len(n.decided)
			n.mu.Unlock()
			if p.Height != chain.Height(height) {
				g.Errorf("height %d came out as number %d", p.Height, height)
			}
			if len(again) > 0 && !same(p, again[0]) {
				g.Errorf("height %d was decided as %+v, and then as %+v", p.Height, again[0], p)
			}
			again = again[min(1, len(again)):]
		case <-time.After(time.Millisecond): // look whether to pause
		}
	}
}

func same(a, b *chain.Proposal) bool {
	return a.Height == b.Height && a.Term == b.Term && a.TimeUs == b.TimeUs && slices.Equal(a.Entries, b.Entries)
}

func (n *node) up() bool { return n.cancel != nil }

func (n *node) height() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.decided)
}

func (n *node) pause(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused = on
}

// halt ends a node's engine, which must end without an error, and not its disk.
func (g *crew) halt(i int) {
	g.Helper()
	n := g.nodes[i]
	n.cancel()
	if err := <-n.end; err != nil {
		g.Errorf("node %d: Run ended with %v", i, err)
	}
	<-n.read
	n.cancel = nil
}

func (g *crew) crash(i int) {
	g.Helper()
	g.nodes[i].cancel() // the power is gone before it can end well
	g.Crash(g.T, i)
	<-g.nodes[i].end
	<-g.nodes[i].read
	g.nodes[i].cancel = nil
}

// offer offers digests on a node, as its lane does: again later what is too much now.
func (g *crew) offer(i int, digests ...chain.Hash) {
	g.Helper()
	for _, d := range digests {
		err := g.nodes[i].engine.Offer(d)
		for fault.Is(err, fault.TryLater) {
			pause(time.Millisecond)
			err = g.nodes[i].engine.Offer(d)
		}
		if err != nil {
			g.Fatalf("node %d: %v", i, err)
		}
		g.nodes[i].offered = append(g.nodes[i].offered, d)
	}
}

// offerAgain offers what a node's lane holds and did not see decided, after a restart.
func (g *crew) offerAgain(i int) {
	g.Helper()
	n := g.nodes[i]
	seen := map[chain.Hash]bool{}
	n.mu.Lock()
	for _, p := range n.decided {
		for _, d := range p.Entries {
			seen[d] = true
		}
	}
	n.mu.Unlock()
	all := n.offered
	n.offered = nil
	for _, d := range all {
		if seen[d] {
			n.offered = append(n.offered, d)
			continue
		}
		g.offer(i, d)
	}
}

// await waits until something holds; within the time, which passes in no time.
func (g *crew) await(what string, within time.Duration, holds func() bool) {
	g.Helper()
	for began := time.Now(); !holds(); pause(time.Millisecond) {
		if time.Since(began) > within {
			for i, n := range g.nodes {
				g.Logf("node %d: up %v, height %d", i, n.up(), n.height())
			}
			g.Fatalf("not within %v: %s", within, what)
		}
	}
}

// led waits for a leader that all of a group can follow.
func (g *crew) led(within time.Duration) int {
	g.Helper()
	leader := -1
	g.await("a leader", within, func() bool { leader = g.Leader(); return leader >= 0 })
	return leader
}

// settled waits until each node that is up decided all that was offered on those nodes, and all are at one height.
func (g *crew) settled(within time.Duration) {
	g.Helper()
	g.await("every digest decided everywhere", within, func() bool {
		var heights []int
		for _, n := range g.nodes {
			if n.up() {
				heights = append(heights, n.height())
				if missing(n, g.nodes) > 0 {
					return false
				}
			}
		}
		return slices.Min(heights) == slices.Max(heights)
	})
}

// missing counts the digests that live nodes offered and n did not see.
func missing(n *node, offerers []*node) (count int) {
	seen := map[chain.Hash]bool{}
	n.mu.Lock()
	for _, p := range n.decided {
		for _, d := range p.Entries {
			seen[d] = true
		}
	}
	n.mu.Unlock()
	for _, o := range offerers {
		if !o.up() {
			continue
		}
		for _, d := range o.offered {
			if !seen[d] {
				count++
			}
		}
	}
	return count
}

// end stops all nodes and checks that they decided one history.
func (g *crew) end() {
	g.Helper()
	for i, n := range g.nodes {
		if n.up() {
			g.halt(i)
			g.Close(g.T, i)
		}
	}
	longest := g.nodes[0]
	for _, n := range g.nodes {
		if len(n.decided) > len(longest.decided) {
			longest = n
		}
	}
	timeUs := uint64(0)
	for _, p := range longest.decided {
		if p.TimeUs <= timeUs {
			g.Errorf("height %d at %d µs follows %d µs", p.Height, p.TimeUs, timeUs)
		}
		timeUs = p.TimeUs
	}
	for i, n := range g.nodes {
		for h, p := range n.decided {
			if !same(p, longest.decided[h]) {
				g.Fatalf("node %d decided height %d as %+v, another one as %+v", i, h+1, p, longest.decided[h])
			}
		}
	}
	g.checkOrder(longest.decided)
}

// checkOrder checks that the first occurrences of each offerer's digests come in the order offered.
func (g *crew) checkOrder(history []*chain.Proposal) {
	g.Helper()
	place := map[chain.Hash]int{}
	for _, p := range history {
		if len(p.Entries) > chain.EntriesPerBlockMax {
			g.Errorf("height %d has %d entries", p.Height, len(p.Entries))
		}
		for _, d := range p.Entries {
			if _, ok := place[d]; !ok {
				place[d] = len(place)
			}
		}
	}
	for i, n := range g.nodes {
		last := -1
		for k, d := range n.offered {
			at, ok := place[d]
			if ok && at <= last {
				g.Errorf("node %d: digest %d of %d was decided out of turn", i, k, len(n.offered))
			}
			last = max(last, at)
		}
	}
}
