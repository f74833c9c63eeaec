// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// postEntry withholds entries of the own lane, forks it, or sends another payload.
func (l *liar) postEntry(f frame) {
	w := l.n.w
	head, payload, ok := splitEntry(f.body)
	if !ok || head.Entry.Validator != l.n.no {
		w.net.send(f)
		return
	}
	switch {
	case l.tells(lieWithhold, f.to):
		l.lied(lieWithhold)
		return
	case l.on(lieFork) && l.forkFor(&head, f.to):
		t := l.forks[head.Entry.Sequence]
		l.lied(lieFork)
		f.body = entryFrame(t.entry, w.keys.signBatch(t.entry.Payload), t.payload)
	case l.tells(liePayload, f.to):
		l.lied(liePayload)
		f.body = entryFrame(head.Entry, head.Signature, falsified(payload))
	}
	w.net.send(f)
}

// forkFor decides whether a peer is told of another entry for the place, and makes that entry.
func (l *liar) forkFor(head *spread.EntryHead, to int) bool {
	w, s := l.n.w, head.Entry.Sequence
	if l.forks[s] == nil && len(w.crowd.list) > 0 && w.lieRand.IntN(4) == 0 {
		r := w.crowd.list[w.lieRand.IntN(len(w.crowd.list))] // any client's batch, once more
		e := head.Entry
		e.Kind, e.Payload, e.Bytes = r.kind, r.id, uint32(len(r.payload))
		if w.lieRand.IntN(3) == 0 {
			e.Parent[0] ^= 1
		}
		if e == head.Entry {
			return false
		}
		l.forks[s] = &truth{e, r.payload}
		w.truths[codec.EntryDigest(e)] = *l.forks[s]
	}
	return l.forks[s] != nil && l.tells(lieFork, to)
}

// falsified is a payload that moves another amount, of the same form.
func falsified(payload []byte) []byte {
	b := append([]byte(nil), payload...)
	if len(b) <= chain.BatchHeaderBytes+16 { // it is no batch
		b[len(b)-1] ^= 3
		return b
	}
	b[chain.BatchHeaderBytes+16] ^= 3 // the first leg's amount
	return b
}

// forgeAck acknowledges what it does not hold, what nobody holds, or another entry than there is.
func (l *liar) forgeAck(to int) {
	w := l.n.w
	lane := chain.ValidatorNo(w.lieRand.IntN(len(w.nodes)))
	if w.lieRand.IntN(2) == 0 {
		lane = chain.ValidatorNo(to) // who then does not send it
	}
	peer := w.nodes[lane]
	if !peer.up {
		return
	}
	at := spread.Position{Lane: lane, Epoch: peer.ownSince}
	at.Sequence, at.Digest = peer.own.sequence, peer.own.digest // as if it had seen it before all others
	switch w.lieRand.IntN(6) {
	case 0:
		at.Digest[3]++
	case 1:
		at.Sequence += 1 + w.lieRand.Uint64N(1000)
	case 2:
		at.Epoch++
	}
	if at.Sequence == 0 {
		return
	}
	l.pretended = true
	l.lied(lieAck)
	w.net.send(frame{from: int(l.n.no), to: to, kind: frameAck, body: spread.AppendPositions(nil, []spread.Position{at})})
}

// forgeBatch sends an entry of its lane with a batch that no client signed: all money to one account.
func (l *liar) forgeBatch() {
	w := l.n.w
	head := chain.BatchHeader{Chain: simChain, Institution: simClient, Key: simKey, Channel: 200, Sequence: w.lieRand.Uint64N(1000) + 1, ValidUntil: validityMax}
	b, err := chain.NewBatch(head, []chain.Leg{{From: simFirst, To: simFirst + 1, Asset: 1, Amount: chain.Units(1)}})
	if err != nil {
		return
	}
	id := codec.Sum(b.Bytes())
	e := chain.LaneEntry{
		Validator: l.n.no, JoinEpoch: l.n.ownSince, Sequence: l.n.own.sequence + 1, Parent: l.n.own.digest,
		Kind: chain.PayloadBatch, Payload: id, Bytes: uint32(len(b.Bytes())),
	}
	w.truths[codec.EntryDigest(e)] = truth{e, b.Bytes()}
	l.lied(lieBatch)
	for to := range w.nodes {
		if to != int(l.n.no) {
			body := entryFrame(e, w.keys.sign([]byte("nobody"), id[:], 64), b.Bytes())
			w.net.send(frame{from: int(l.n.no), to: to, kind: frameEntry, body: body})
		}
	}
}
