// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// Faults say what happens to frames on their way. Chances are from 0 to 1.
type Faults struct {
	Drop      float64
	Duplicate float64
	DelayMin  time.Duration
	DelayMax  time.Duration
	Reorder   bool // delays let frames of one sender and class overtake each other
}

// Network connects nodes in memory. Its methods are safe for concurrent use; for a run that can be repeated, use one
// goroutine.
type Network struct {
	limits [transport.ClassCount]transport.Limits

	mu     sync.Mutex
	rng    *rand.Rand                  // guarded by mu
	faults Faults                      // guarded by mu
	now    time.Duration               // guarded by mu
	sent   uint64                      // guarded by mu; numbers frames
	nodes  map[chain.ValidatorNo]*Node // guarded by mu
	lanes  []*lane                     // guarded by mu; in order of first use
	cut    map[[2]chain.ValidatorNo]bool
	stall  map[seat]bool // guarded by mu, as cut is
}

// seat is the receiving end of a class.
type seat struct {
	no    chain.ValidatorNo
	class transport.Class
}

// New makes a network without nodes or faults.
func New(seed uint64) *Network {
	n := &Network{
		rng: rand.New(rand.NewPCG(seed, 1)), nodes: map[chain.ValidatorNo]*Node{},
		cut: map[[2]chain.ValidatorNo]bool{}, stall: map[seat]bool{},
	}
	for c := range transport.ClassCount {
		n.limits[c] = transport.DefaultLimits(c)
	}
	return n
}

// SetLimits bounds the queues of all nodes from now on.
func (n *Network) SetLimits(l [transport.ClassCount]transport.Limits) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.limits = l
}

// Node returns the node of that number. After it was closed a new one takes its place, as after a restart.
func (n *Network) Node(no chain.ValidatorNo) *Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	node := n.nodes[no]
	if node == nil || node.closed {
		node = &Node{net: n, no: no}
		n.nodes[no] = node
		n.reconnect()
	}
	return node
}

// SetFaults changes what happens to frames sent from now on.
func (n *Network) SetFaults(f Faults) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = f
}

// Cut breaks the connections that carry frames from one node to another, or heals them. What is under way is lost; what is
// sent later waits, as it does for a peer that cannot be reached.
func (n *Network) Cut(from, to chain.ValidatorNo, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]chain.ValidatorNo{from, to}] = cut
	n.reconnect()
}

// Partition cuts, in both directions, all nodes of different groups from each other, and heals all else. No group heals
// everything; a node in no group is alone.
func (n *Network) Partition(groups ...[]chain.ValidatorNo) {
	n.mu.Lock()
	defer n.mu.Unlock()
	group := map[chain.ValidatorNo]int{}
	for i, g := range groups {
		for _, no := range g {
			group[no] = i + 1
		}
	}
	for a := range n.nodes {
		for b := range n.nodes {
			together := len(groups) == 0 || (group[a] != 0 && group[a] == group[b])
			n.cut[[2]chain.ValidatorNo{a, b}] = !together
		}
	}
	n.reconnect()
}

// Stall makes a node not read a class, or read it again: back-pressure.
func (n *Network) Stall(no chain.ValidatorNo, class transport.Class, stalled bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stall[seat{no, class}] = stalled
}

// Now is the network's time, from 0.
func (n *Network) Now() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now
}

// Advance lets time pass. It delivers nothing: call Step.
func (n *Network) Advance(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now += d
	for _, l := range n.lanes {
		l.expire(n.now)
	}
}

// NextDue is when the next frame that can be delivered is due; false if there is none.
func (n *Network) NextDue() (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.next()
	if l == nil {
		return 0, false
	}
	return l.flights[0].due, true
}

// Step delivers the next frame that is due, on this goroutine. False: none is.
func (n *Network) Step() bool {
	n.mu.Lock()
	l := n.next()
	if l == nil || l.flights[0].due > n.now {
		n.mu.Unlock()
		return false
	}
	f := l.pop()
	to := n.nodes[l.to]
	to.last = n.now
	receiver := to.receiver
	n.mu.Unlock()

	err := receiver.Frame(l.from, l.class, f.kind, f.bytes, f.reader())
	f.release()
	if err != nil {
		n.mu.Lock()
		l.lose("connection_lost")
		n.mu.Unlock()
	}
	return true
}

// next is the lane whose first frame is due first of those that can be delivered.
func (n *Network) next() *lane {
	var best *lane
	for _, l := range n.lanes {
		if len(l.flights) == 0 || l.down || n.stall[seat{l.to, l.class}] {
			continue
		}
		if best == nil || l.flights[0].before(best.flights[0]) {
			best = l
		}
	}
	return best
}

// reconnect finds out anew which lanes are connected.
func (n *Network) reconnect() {
	for _, l := range n.lanes {
		l.connect(n.reachable(l.from, l.to), n.now)
	}
}

func (n *Network) reachable(from, to chain.ValidatorNo) bool {
	a, b := n.nodes[from], n.nodes[to]
	return a != nil && b != nil && a.running() && b.running() && !n.cut[[2]chain.ValidatorNo{from, to}] && b.knows(from)
}

// lane returns the way from one node to another, and makes it if need be.
func (n *Network) lane(from, to chain.ValidatorNo, class transport.Class) *lane {
	for _, l := range n.lanes {
		if l.from == from && l.to == to && l.class == class {
			return l
		}
	}
	l := &lane{from: from, to: to, class: class, down: true, downSince: n.now}
	if a := n.nodes[from]; a != nil && a.started {
		l.downSince = a.startedAt
	}
	l.connect(n.reachable(from, to), n.now)
	n.lanes = append(n.lanes, l)
	return l
}
