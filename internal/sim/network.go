// SPDX-License-Identifier: Apache-2.0

package sim

import "github.com/aurigraph/aurigraph/internal/chain"

// frameKind says for which part of a replica a frame is.
type frameKind uint8

const (
	frameOrder frameKind = iota
	frameCertify
	frameEntry
	frameAck
	frameAsk
	frameStateAsk
	frameState
	frameEndAsk
	frameEnds
)

// frame is what a node sends another. The network does not change it.
type frame struct {
	from, to int
	kind     frameKind
	body     []byte
	epoch    chain.Epoch // in which the sender was, and the newest one that it knew of
	newest   chain.Epoch
	state    *checkpoint // of frameState; nil: I have none
	place    uint64      // on its way, to see what was overtaken
}

// Frames of a class arrive in the order sent, as on a connection, until a fault says otherwise.
const (
	classVotes = iota
	classLanes
	classStates
	classes
)

func (k frameKind) class() int {
	switch k {
	case frameOrder, frameCertify:
		return classVotes
	case frameEntry, frameAck, frameAsk:
		return classLanes
	}
	return classStates
}

// way is the frames of a class from one node to another.
type way struct {
	busy            int64 // until then the newest frame is under way
	sent, delivered uint64
}

// network carries frames, or does not.
type network struct {
	w    *world
	ways []way
	cut  [][]int // by sender and receiver: how many partitions lie between them, 0 for none
	dark [][]int // the same of one-way partitions

	loss, double, swap, slow disturbance
}

// disturbance is how likely something happens to a frame, from which node's, and how long it takes.
type disturbance struct{ active []*episode }

func (d *disturbance) add(e *episode) { d.active = append(d.active, e) }

func (d *disturbance) remove(e *episode) {
	for i := range d.active {
		if d.active[i] == e {
			d.active = append(d.active[:i:i], d.active[i+1:]...)
			return
		}
	}
}

// hits draws whether a frame is disturbed.
func (d *disturbance) hits(w *world, f *frame) *episode {
	for _, e := range d.active {
		if (e.node < 0 || e.node == f.from || e.node == f.to) && w.netRand.Float64() < e.rate {
			return e
		}
	}
	return nil
}

func newNetwork(w *world) *network {
	n := w.places
	net := &network{w: w, ways: make([]way, n*n*classes)}
	for range n {
		net.cut, net.dark = append(net.cut, make([]int, n)), append(net.dark, make([]int, n))
	}
	return net
}

// latency of a frame on a quiet link.
func (net *network) latency(f *frame) int64 {
	return 120 + net.w.netRand.Int64N(400) + int64(len(f.body))/50
}

// send carries a frame of who sends it now.
func (net *network) send(f frame) {
	f.epoch, f.newest = net.w.nodes[f.from].epoch, net.w.nodes[f.from].newestEpoch()
	net.carry(f)
}

// carry carries a frame that says itself of which epoch it is.
func (net *network) carry(f frame) {
	w := net.w
	if net.blocked(&f) {
		return
	}
	if net.loss.hits(w, &f) != nil {
		w.count(faultDrop, 1)
		return
	}
	w.note(uint64(f.from)<<48 | uint64(f.to)<<32 | uint64(f.kind)<<24 | uint64(len(f.body)))
	way := &net.ways[(f.from*w.places+f.to)*classes+f.kind.class()]
	way.sent++
	f.place = way.sent
	at := w.now + net.latency(&f)
	if e := net.slow.hits(w, &f); e != nil {
		w.count(faultDelay, 1)
		at += w.netRand.Int64N(e.micros)
	}
	if e := net.swap.hits(w, &f); e != nil {
		at += w.netRand.Int64N(e.micros)
	} else {
		at = max(at, way.busy+1)
		way.busy = at
	}
	w.queue.push(at, f.to, func() { net.deliver(way, f) })
	if e := net.double.hits(w, &f); e != nil {
		w.count(faultDuplicate, 1)
		w.queue.push(at+w.netRand.Int64N(e.micros), f.to, func() { net.deliver(way, f) })
	}
}

func (net *network) deliver(way *way, f frame) {
	if net.blocked(&f) {
		return
	}
	if f.place < way.delivered {
		net.w.count(faultReorder, 1)
	}
	way.delivered = max(way.delivered, f.place)
	net.w.nodes[f.to].receive(&f)
}

// blocked counts and says that a frame meets a partition.
func (net *network) blocked(f *frame) bool {
	switch {
	case net.cut[f.from][f.to] > 0:
		net.w.count(faultPartition, 1)
	case net.dark[f.from][f.to] > 0:
		net.w.count(faultOneWay, 1)
	default:
		return false
	}
	return true
}

// part puts by partitions between the nodes of a set and the others; -1 takes one away.
func (net *network) part(e *episode, by int) {
	for a := range net.cut {
		for b := range net.cut {
			inA, inB := e.set>>a&1 == 1, e.set>>b&1 == 1
			switch {
			case inA == inB:
			case e.kind == faultPartition:
				net.cut[a][b] += by
			case inA:
				net.dark[a][b] += by
			}
		}
	}
}

// linked reports whether the transport of a believes that it is connected to b.
func (net *network) linked(a, b int) bool { return net.cut[a][b] == 0 }
