// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// stepOrder steps the ordering core and does what it says.
func (n *replica) stepOrder(inputs ...raft.Input) {
	if !n.up || n.halted != "" || n.target != nil {
		return
	}
	out, err := n.order.Step(inputs...)
	if err != nil {
		n.halt("ordering: %v", err)
		return
	}
	for _, s := range out.Send {
		n.post(int(s.To), frameOrder, s.Frame)
	}
	for _, r := range out.Append {
		n.writeOrder(r)
	}
	for _, p := range out.Decided {
		n.w.check.decidedBy(n, p)
		n.decided = append(n.decided, p)
	}
	if st := n.order.Status(); st.HasLeader && st.Term != n.term {
		n.term = st.Term
		n.w.see(seenTerm, 1)
	}
	if out.Fetch != nil && n.up {
		n.w.see(seenSnapshot, 1)
		n.fetchState(out.Fetch.Height, true)
	}
}

// hardStateBytes is a record of the ordering log that holds term and vote alone, as its FORMAT.md says.
const hardStateBytes = 24

// writeOrder writes a record of the ordering log, and says so once it is durable.
func (n *replica) writeOrder(r raft.Record) {
	written := func(at seglog.Pos) { n.stepOrder(raft.Appended{At: at}) }
	rec := record{kind: r.Kind, meta: r.Meta, payload: r.Payload}
	if n.bug() == bugBallotUnwritten && len(r.Meta) == hardStateBytes && len(r.Payload) == 0 {
		n.after(1, func() { written(seglog.Pos{Segment: 1 + n.orders.next/recordsPerSegment, Seq: n.orders.next}) })
		return
	}
	falsely := n.bug() == bugOrderUnsynced || n.liar != nil && n.liar.on(lieFalseHold)
	if !falsely {
		n.orders.append(rec, written)
		return
	}
	if n.liar != nil {
		n.liar.lied(lieFalseHold)
	}
	n.orders.append(rec, nil)
	n.after(1, func() { written(seglog.Pos{Segment: 1 + n.orders.next/recordsPerSegment, Seq: n.orders.next - 1}) })
}

// receiveOrder takes a frame for the ordering core.
func (n *replica) receiveOrder(f *frame) {
	if m, err := raft.ParseFrame(f.body); err == nil {
		n.stepOrder(raft.Received{From: chain.ValidatorNo(f.from), Message: m})
	}
}

// cutNext lets the leader propose, at its clock, no more often than its pace.
func (n *replica) cutNext() bool {
	if !n.mayCut || n.target != nil || !n.order.WantsCut() {
		return false
	}
	n.mayCut = false
	n.after(pauseMicros, func() { n.mayCut = true })
	n.stepOrder(raft.Cut{NowUs: uint64(max(n.clock.micros(n.w.now), 1)), Most: n.w.burst})
	return true
}

// offer asks the ordering core for an entry.
func (n *replica) offer(d chain.Hash) {
	if st := n.stored[d]; st != nil {
		st.offered = true
	}
	if n.bug() == bugReofferForgotten {
		if n.offeredBefore[d] {
			return
		}
		n.offeredBefore[d] = true
	}
	n.w.check.offeredBy(n, d)
	n.stepOrder(raft.Offered{Digest: d})
}

// trimOrder lets the ordering log forget what lies below a height, for which the node has a checkpoint.
func (n *replica) trimOrder(below chain.Height) {
	if n.bug() == bugOrderTrimmed {
		below = n.blocks.head
	}
	n.stepOrder(raft.Compact{Below: below})
	if n.halted == "" {
		floor, before := n.order.Floor(), len(n.orders.records)
		n.orders.keep(func(r *record) bool { return r.at.Segment >= floor })
		n.w.see(seenOrderCut, before-len(n.orders.records))
	}
}
