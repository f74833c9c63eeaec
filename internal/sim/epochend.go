// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/seal"
)

// A membership epoch ends with a block that changes the membership. The host goes on in the next one as a node does:
//
//	1 the handover is in the block store, in one write with the last block            | a crash: the old epoch's log brings it again
//	2 a checkpoint of the state that the next epoch begins with is durable            | from here on the old epoch's log is not needed
//	3 the folder is opened anew: its state is of the new epoch, which has a new ordering log
//
// In each of these steps, and in each record that is written meanwhile, a node may lose its power.

// ending is the last block of an epoch, executed.
type ending struct {
	height  chain.Height
	next    *chain.Membership
	state   *pages.Snapshot // that the next epoch begins with
	lanes   []uint64        // executed in each, before the next members were set
	leaving bool
}

// endsEpoch completes the last block of the epoch: its header carries the root of its own state. lanes were executed before it.
func (n *replica) endsEpoch(ex *exec.Executed, lanes []uint64, payloads []exec.Payload) {
	sn := n.space.Snapshot()
	root := n.tree.Update(sn)
	root[0] ^= n.damage
	n.machine.End(ex, root)
	for i := range ex.Batches {
		e := &payloads[ex.Batches[i].Place].Entry
		lanes[e.Validator] = e.Sequence
	}
	n.w.office.closes()
	n.ending = &ending{height: ex.Header.Height, next: n.ledger.Membership(), state: sn, lanes: lanes}
}

// lanesNow is how far all lanes are executed in the state.
func (n *replica) lanesNow() []uint64 {
	lanes := make([]uint64, n.members.Size())
	for v := range lanes {
		_, lanes[v], _ = n.ledger.Lane(chain.ValidatorNo(v))
	}
	return lanes
}

// ends reports whether a height is the last one of the node's epoch.
func (n *replica) ends(h chain.Height) bool { return n.ending != nil && n.ending.height == h }

// handOver writes the handover with the last block of the epoch, which has its certificate, and leaves the epoch. A liar that
// does not go on stays.
func (n *replica) handOver(x *block) {
	p := &chain.ProvedHandover{
		Handover:    chain.Handover{Chain: simChain, Height: x.header.Height, Header: x.hash, Root: x.header.StateRoot, Next: *n.ending.next},
		HeaderBytes: x.bytes, Certificate: n.w.proofs.certificate(n.members, x.certificate, x.header),
	}
	if n.leftBehind(p) {
		return
	}
	n.blocks.flushed = n.blocks.head
	if n.endOf(n.epoch) == nil && n.bug() != bugHandoverUnkept {
		n.keepEnd(p)
	}
	if n.liar != nil && n.liar.on(lieEnds) { // the others may not know yet
		for _, m := range n.members.Members {
			n.liar.pushEnds(int(m.No))
		}
	}
	n.leaveEpoch(p)
}

// leaveEpoch makes the last state of an epoch a checkpoint, however young the last one is: nothing else could bring it back, for
// the next epoch's ordering log begins behind it.
func (n *replica) leaveEpoch(end *chain.ProvedHandover) {
	if end == nil || n.ending == nil || n.ending.leaving || n.losesPower() {
		return
	}
	if n.writing { // that one first
		n.afterwards = func() { n.leaveEpoch(end) }
		return
	}
	n.ending.leaving = true
	if n.bug() == bugEndUnforced {
		n.orders, n.ordersOf = newWal(n), n.epoch+1
		n.restart()
		return
	}
	header := n.replayedHeader(end.Height)
	c := &checkpoint{height: end.Height, end: end, headers: []*chain.ExecutedHeader{header}, sections: copySections(n.ending.state), history: n.blocks.history(end.Height)}
	n.writeCheckpoint(c, func() {
		if !n.losesPower() {
			n.restart()
		}
	})
	n.losesPower()
}

// arriveAtChange ends a replay to a change of the membership that is decided: the certified header is that of the last block, so
// the blocks below it are those that were decided.
func (n *replica) arriveAtChange() {
	end, at := n.target.end, n.machine.Height()
	switch {
	case n.ending == nil && at < end.Height:
		return
	case n.ending == nil || at != end.Height || n.replayedHash(at) != end.Header:
		n.cannotReach("height %d does not come out as the last one of the epoch", at)
		return
	}
	for h := n.blocks.head + 1; h <= end.Height; h++ {
		x := n.results[h]
		delete(n.results, h)
		if h == end.Height {
			x.certificate = n.w.proofs.macsOf(end.Certificate)
		}
		n.blocks.put(x)
		n.w.check.provedBy(n, x)
	}
	n.leaveEpoch(end)
}

// lastPoint is the last block of the newest epoch that the node knows to have ended.
func (n *replica) lastPoint() seal.Point {
	if end := n.endOf(n.newestEpoch() - 1); end != nil {
		return seal.Point{Height: end.Height, Header: end.Header}
	}
	return seal.Point{}
}
