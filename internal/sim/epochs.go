// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seal"
)

// epochs is what a disk holds of the chain's membership epochs.
type epochs struct {
	handovers []*chain.ProvedHandover // that ended epoch 1, 2, …
	ordersOf  chain.Epoch             // whose proposals the ordering log has
	missed    chain.Epoch             // whose seal the node's own history does not lead to
	plan      *target                 // of a seal that is not decided
	records   *sealDisk
}

// epochBase is where an epoch begins: behind the last block of the one before, or behind the genesis.
type epochBase struct {
	seal.Point
	TimeUs uint64
}

// membersOf is the membership of an epoch, nil if the node does not know of it.
func (n *replica) membersOf(e chain.Epoch) *chain.Membership {
	switch end := n.endOf(e - 1); {
	case e == simEpoch:
		return n.w.members
	case end != nil:
		return &end.Next
	}
	return nil
}

// endOf is the handover that ended an epoch, nil if the node does not know of one.
func (n *replica) endOf(e chain.Epoch) *chain.ProvedHandover {
	if e < simEpoch || e-simEpoch >= chain.Epoch(len(n.handovers)) {
		return nil
	}
	return n.handovers[e-simEpoch]
}

// epochBase is where the node's epoch begins.
func (n *replica) epochBase() epochBase {
	end := n.endOf(n.epoch - 1)
	if end == nil {
		return epochBase{TimeUs: genesisTimeUs}
	}
	h, err := codec.DecodeHeader(end.HeaderBytes)
	fault.Invariant(err == nil, "the last header of an epoch, which was proved: %v", err)
	return epochBase{seal.Point{Height: end.Height, Header: end.Header}, h.TimeUs}
}

// enterEpoch finds the epoch of the state, and whether it has ended or is to end.
func (n *replica) enterEpoch() error {
	n.epoch = n.ledger.Membership().Epoch
	if n.members = n.membersOf(n.epoch); n.members == nil {
		return fault.New(fault.Corrupt, "the state is of epoch %d, the newest handover on disk ended epoch %d", n.epoch, len(n.handovers))
	}
	if n.ordersOf != n.epoch && n.bug() != bugOrderLogKept {
		n.orders = newWal(n)
	}
	n.ordersOf = n.epoch
	switch end := n.endOf(n.epoch); {
	case end == nil && n.plan != nil && n.plan.epoch == n.epoch:
		n.target = n.plan
	case end != nil && n.missed == n.epoch:
		n.halted = "its epoch ended without it"
	case end != nil:
		n.target = &target{epoch: n.epoch, last: seal.Point{Height: end.Height, Header: end.Header}, next: &end.Next, end: end}
	}
	return n.openSealer()
}

// hears reports whether a frame is one for the cores: of a member, and of the epoch if it is for the ordering engine, whose logs
// have the same places in all epochs. Votes and lane entries say themselves of which epoch they are.
func (n *replica) hears(f *frame) bool {
	switch {
	case n.members.Find(chain.ValidatorNo(f.from)) == nil:
		n.w.see(seenNoMember, 1)
		return false
	case f.epoch > n.epoch && n.ahead < 0:
		n.ahead, n.endAsked = f.from, n.w.now
	}
	if f.kind == frameOrder && f.epoch != n.epoch {
		n.w.see(seenOldEpoch, 1)
		return false
	}
	return true
}

// endAskMicros is how often a node asks a peer that is in a later epoch how its own ended. So long it waits at first: it may get
// to the end by itself.
const endAskMicros = 300_000

// askForEnd asks a peer that is in a later epoch how the node's own ended.
func (n *replica) askForEnd() {
	if n.ahead < 0 || n.endOf(n.epoch) != nil || n.liar != nil || n.w.now < n.endAsked+endAskMicros {
		return
	}
	n.endAsked = n.w.now
	n.post(n.ahead, frameEndAsk, nil)
	n.ahead = -1 // perhaps another one is heard next
}

// tellEnd tells a peer how the epoch ended in which it is.
func (n *replica) tellEnd(f *frame) {
	if end := n.endOf(f.epoch); end != nil && n.liar == nil {
		n.w.net.send(frame{from: int(n.no), to: f.from, kind: frameEnd, end: end})
	}
}

// learnEnd takes a peer's word of how the epoch ended, if it is proved.
func (n *replica) learnEnd(f *frame) {
	if n.liar != nil || f.end == nil || n.endOf(n.epoch) != nil || n.w.setOf(n.members).VerifyHandover(f.end) != nil {
		return
	}
	n.w.see(seenSealLearned, 1)
	n.takeEnd(f.end)
}

// takeEnd makes a handover durable, which was proved, and opens the folder anew.
func (n *replica) takeEnd(p *chain.ProvedHandover) {
	if n.losesPower() {
		return
	}
	if n.endOf(n.epoch) == nil && p.Next.Epoch == n.epoch+1 {
		n.handovers = append(n.handovers, p)
		if n.bug() == bugOrderLogDropped {
			n.orders = newWal(n)
		}
	}
	n.restart()
}

// restart ends this life and begins the next one soon, as a node does that opens its folder anew.
func (n *replica) restart() {
	n.crash()
	n.bootAfter(1_000 + n.w.hostRand.Int64N(20_000))
}
