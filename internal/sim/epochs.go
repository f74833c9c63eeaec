// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
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

// newestEpoch is the newest epoch that the node knows of; its state may be of an older one.
func (n *replica) newestEpoch() chain.Epoch { return simEpoch + chain.Epoch(len(n.handovers)) }

// insiders are the members of that epoch: whom the node is connected with.
func (n *replica) insiders() *chain.Membership { return n.membersOf(n.newestEpoch()) }

// setOf is the members of an epoch that the node knows of, with their verifiers.
func (n *replica) setOf(e chain.Epoch) *epoch.Set { return n.w.proofs.setAfter(n.endOf(e - 1)) }

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
	if n.bug() == bugFirstBase && n.blocks.fetched > 0 && n.epoch > simEpoch+1 {
		end = n.endOf(simEpoch)
	}
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
	n.w.check.enters(n)
	end := n.endOf(n.epoch)
	switch {
	case end == nil && n.plan != nil && n.plan.epoch == n.epoch:
		n.target = n.plan
	case end == nil:
	case n.missed == n.epoch, !n.isMember(n.members):
		n.lags = true
	case end.Verdict == chain.VerdictNone && n.bug() == bugEndOrderedAgain:
	default: // the old epoch's ordering decides nothing any more, not even again what it decided
		n.target = &target{epoch: n.epoch, last: seal.Point{Height: end.Height, Header: end.Header}, next: &end.Next, verdict: end.Verdict, end: end}
	}
	if n.lags {
		n.halted = epochMissed
		return nil
	}
	return n.openSealer()
}

// epochMissed is why a node orders and signs nothing before it has a peer's state.
const epochMissed = "its epoch ended without it"

// tableSize is the length of a table by validator number, for all members that the node ever knew of.
func (n *replica) tableSize() (size int) {
	for e := simEpoch; e <= n.newestEpoch(); e++ {
		size = max(size, n.membersOf(e).Size())
	}
	return size
}

// hears reports whether a frame is one for the cores: of the epoch if it is for the ordering engine, whose logs have the same
// places in all epochs. Votes and lane entries say themselves of which epoch they are.
func (n *replica) hears(f *frame) bool {
	if f.kind == frameOrder && f.epoch != n.epoch {
		n.w.see(seenOldEpoch, 1)
		return false
	}
	return true
}

// endAskMicros is how often a node asks a peer that is in a later epoch how its own ended. So long it waits at first: it may get
// to the end by itself.
const endAskMicros = 300_000

// noteEpoch notes that a peer knows of a later epoch.
func (n *replica) noteEpoch(f *frame) {
	if f.newest > n.newestEpoch() && n.ahead < 0 {
		n.ahead, n.endAsked = f.from, n.w.now
	}
}

// askForEnds asks a peer that is in a later epoch how the node's own ended, and those after it.
func (n *replica) askForEnds() {
	if n.ahead < 0 || n.w.now < n.endAsked+endAskMicros {
		return
	}
	n.endAsked = n.w.now
	n.post(n.ahead, frameEndAsk, binary.LittleEndian.AppendUint64(nil, uint64(n.newestEpoch())))
	n.ahead = -1 // perhaps another one is heard next
}

// tellEnds tells a peer how epochs ended, from one on.
func (n *replica) tellEnds(f *frame) {
	if len(f.body) != 8 {
		return
	}
	var body []byte
	for e := max(chain.Epoch(binary.LittleEndian.Uint64(f.body)), simEpoch); n.endOf(e) != nil; e++ {
		body = codec.AppendHandovers(body, codec.AppendProvedHandover(nil, n.endOf(e)))
	}
	if len(body) > 0 {
		n.post(f.from, frameEnds, body)
	}
}

// learnEnds takes a peer's word of how epochs ended, as far as it is proved: a false one spoils those behind it alone.
func (n *replica) learnEnds(f *frame) {
	list, _ := codec.SplitHandovers(f.body)
	known := n.newestEpoch()
	for _, raw := range list {
		p, err := codec.DecodeProvedHandover(raw)
		if err != nil || p.Next.Epoch > n.newestEpoch()+1 {
			break
		}
		if p.Next.Epoch <= n.newestEpoch() || n.leftBehind(p) {
			continue
		}
		if !n.proves(p) {
			n.w.see(seenEndRefused, 1)
			if n.bug() == bugHandoverHalf {
				return
			}
			break
		}
		if n.newestEpoch() == known && n.losesPower() {
			return
		}
		if n.keepEnd(p); p.Verdict != chain.VerdictNone {
			n.w.see(seenSealLearned, 1)
		}
	}
	if n.newestEpoch() > known && n.up {
		n.w.see(seenEndLearned, 1)
		n.restart()
	}
}

// proves reports whether a handover ends the newest epoch that the node knows of.
func (n *replica) proves(p *chain.ProvedHandover) bool {
	err := n.w.proofs.verify(n.setOf(n.newestEpoch()), p)
	if n.bug() == bugHandoverShort && fault.ReasonOf(err) == epoch.ReasonNoQuorum {
		return true
	}
	return err == nil
}

// leftBehind reports whether a liar does not go on after a handover: it takes no notice, and talks on.
func (n *replica) leftBehind(p *chain.ProvedHandover) bool {
	return n.liar != nil && p.Next.Find(n.no) == nil
}

// keepEnd makes a proved handover durable.
func (n *replica) keepEnd(p *chain.ProvedHandover) {
	n.handovers = append(n.handovers, p)
	n.w.check.epochEnds(n, p)
	if p.Verdict != chain.VerdictNone && n.bug() == bugOrderLogDropped {
		n.orders = newWal(n)
	}
}

// takeSeal makes a seal durable, which was proved, and opens the folder anew. One that is known is being done: to open the folder
// again would begin anew.
func (n *replica) takeSeal(p *chain.ProvedHandover) {
	if n.endOf(n.epoch) != nil || p.Next.Epoch != n.epoch+1 || n.losesPower() {
		return
	}
	n.keepEnd(p)
	n.restart()
}

// restart ends this life and begins the next one soon, as a node does that opens its folder anew.
func (n *replica) restart() {
	n.crash()
	n.bootAfter(1_000 + n.w.hostRand.Int64N(20_000))
}
