// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// stepSpread steps the lanes' core and does what it says.
func (n *replica) stepSpread(inputs ...spread.Input) (out spread.Output) {
	if !n.up || n.halted != "" {
		return
	}
	out = n.spread.Step(inputs...)
	n.full = out.Backpressure
	for _, e := range out.Evidence {
		n.keepLaneEvidence(e)
	}
	for _, s := range out.Send {
		n.sendEntry(int(s.To), s.Digest)
	}
	for _, a := range out.Acks {
		n.post(int(a.To), frameAck, spread.AppendPositions(nil, a.Positions))
	}
	for _, a := range out.Asks {
		if n.bug() == bugMissingUnfetched && !a.Digest.IsZero() {
			continue
		}
		n.post(int(a.To), frameAsk, spread.AppendAsk(nil, a.Ask))
	}
	for _, d := range out.Offer {
		n.offer(d)
	}
	return out
}

func (n *replica) keepLaneEvidence(e spread.Evidence) {
	n.w.check.laneEvidence(n, &e)
	n.w.see(seenLaneEvidence, 1)
	if n.bug() == bugEvidenceDropped || !n.up {
		return
	}
	n.laneEvidence = append(n.laneEvidence, e)
	if e.Kind == spread.EvidenceFork || e.Kind == spread.EvidenceParent {
		n.faulted[laneID{e.Lane, e.Epoch}] = true
	}
}

// sendEntry sends an entry with its payload; what is not here is answered by nothing.
func (n *replica) sendEntry(to int, d chain.Hash) {
	if st := n.stored[d]; st != nil {
		n.post(to, frameEntry, entryFrame(st.entry, st.signature, st.payload))
	}
}

func entryFrame(e chain.LaneEntry, signature, payload []byte) []byte {
	return append(spread.AppendEntryHead(nil, &spread.EntryHead{Entry: e, Key: simKey, Signature: signature}), payload...)
}

// receiveEntry checks the payload of an entry and its client's signature, and stores what the core accepts.
func (n *replica) receiveEntry(f *frame) {
	head, payload, ok := splitEntry(f.body)
	if !ok || !n.payloadIsRight(&head, payload) {
		return
	}
	d := codec.EntryDigest(head.Entry)
	if n.bug() == bugParentUnchecked {
		n.storeUnchecked(&head, d, payload)
	}
	out := n.stepSpread(spread.PeerEntry{From: chain.ValidatorNo(f.from), Entry: head.Entry})
	if !n.up {
		return
	}
	n.w.check.judged(n, f.from, &head.Entry, d, out.Verdicts[0].Refused)
	if out.Verdicts[0].Refused == "" {
		n.store(&head, d, payload)
	}
}

func splitEntry(body []byte) (head spread.EntryHead, payload []byte, ok bool) {
	if len(body) < 2 {
		return head, nil, false
	}
	size, err := spread.EntryHeadBytes([2]byte(body))
	if err != nil || len(body) < size {
		return head, nil, false
	}
	head, err = spread.DecodeEntryHead(body[:size])
	return head, body[size:], err == nil
}

func (n *replica) payloadIsRight(head *spread.EntryHead, payload []byte) bool {
	e := &head.Entry
	if int(e.Bytes) != len(payload) || codec.Sum(payload) != e.Payload && n.bug() != bugPayloadUnchecked {
		return false
	}
	switch e.Kind {
	case chain.PayloadBatch:
		_, err := chain.ParseBatch(payload)
		return err == nil && (n.w.keys.verifyBatch(e.Payload, head.Signature) || n.bug() == bugClientUnchecked)
	case chain.PayloadTxs:
		return n.w.txsAreRight(payload)
	}
	return false
}

// txsAreRight checks single transactions, which carry their signatures.
func (w *world) txsAreRight(payload []byte) bool {
	list, err := codec.SplitTxBatch(payload)
	for _, raw := range list {
		tx, id, err := codec.DecodeSignedTx(raw)
		if err != nil || tx.Validate() != nil || !w.keys.verifyTx(id, tx.Signature) {
			return false
		}
	}
	return err == nil
}

// store writes an accepted entry, and says when it is durable, even if the disk had it before.
func (n *replica) store(head *spread.EntryHead, d chain.Hash, payload []byte) {
	st := n.stored[d]
	tell := func() {
		n.stepSpread(spread.PeerStored{Lane: head.Entry.Validator, Sequence: head.Entry.Sequence, Digest: d})
	}
	if st != nil && st.durable {
		tell()
		return
	}
	if st == nil {
		n.write(head, d, payload, tell)
	}
	if n.bug() == bugAckBeforeDurable || n.bug() == bugPayloadUnsynced {
		tell()
	}
}

// write appends an entry to the payload log.
func (n *replica) write(head *spread.EntryHead, d chain.Hash, payload []byte, durable func()) *stored {
	st := &stored{entry: head.Entry, signature: head.Signature, payload: payload}
	n.stored[d] = st
	rec := record{key: d, kind: uint8(head.Entry.Kind), meta: spread.AppendEntryHead(nil, head), payload: payload}
	n.payloads.append(rec, func(seglog.Pos) {
		st.durable = true
		durable()
	})
	if n.bug() == bugPayloadUnsynced {
		st.durable = true
	}
	return st
}

// storeUnchecked is a seeded bug: an entry of a lane's owner is stored and acknowledged whatever its parent is.
func (n *replica) storeUnchecked(head *spread.EntryHead, d chain.Hash, payload []byte) {
	if n.stored[d] != nil {
		return
	}
	at := spread.Position{Lane: head.Entry.Validator, Epoch: head.Entry.JoinEpoch, Sequence: head.Entry.Sequence, Digest: d}
	n.write(head, d, payload, func() {
		for v := range n.w.nodes {
			if v != int(n.no) {
				n.post(v, frameAck, spread.AppendPositions(nil, []spread.Position{at}))
			}
		}
	})
}

func (n *replica) receiveAck(f *frame) {
	positions, err := spread.DecodePositions(f.body)
	if err != nil {
		return
	}
	var inputs []spread.Input
	for _, at := range positions {
		inputs = append(inputs, spread.Ack{From: chain.ValidatorNo(f.from), Position: at})
		if n.bug() == bugAckCountedTwice {
			other := nextMember(n.members, f.from)
			inputs = append(inputs, spread.Ack{From: chain.ValidatorNo(other), Position: at})
		}
	}
	n.stepSpread(inputs...)
	for i := range positions {
		n.w.check.heardAck(n, f.from, &positions[i])
	}
}

func (n *replica) receiveAsk(f *frame) {
	if ask, err := spread.DecodeAsk(f.body); err == nil {
		n.stepSpread(spread.Asked{From: chain.ValidatorNo(f.from), Ask: ask})
	}
}

// cut puts what a client sent on the own lane. It returns false when the lane is full.
func (n *replica) cut(r *request) bool {
	if n.full {
		n.w.see(seenFull, 1)
		return false
	}
	e := chain.LaneEntry{
		Validator: n.no, JoinEpoch: n.ownSince, Sequence: n.own.sequence + 1, Parent: n.own.digest,
		Kind: r.kind, Payload: r.id, Bytes: uint32(len(r.payload)),
	}
	d := codec.EntryDigest(e)
	n.own = tip{e.Sequence, d}
	n.ownAt[e.Sequence] = d
	n.inLane[r.id] = true
	n.w.truths[d] = truth{e, r.payload}
	head := &spread.EntryHead{Entry: e, Key: simKey, Signature: r.signature}
	n.write(head, d, r.payload, func() { n.stepSpread(spread.OwnStored{Entry: e}) })
	if n.bug() == bugOfferUnacked {
		n.offer(d)
	}
	return true
}
