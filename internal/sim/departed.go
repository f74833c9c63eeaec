// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/spread"
)

const (
	sentMax       = 80        // frames that are remembered of a node
	talkOnMicros  = 1_500_000 // how long it talks on when it left, at least
	silenceMicros = 20_000    // between two things that it says, at most
)

// remember keeps a frame that a node may send again when it left.
func (n *replica) remember(f frame) {
	if n.w.office == nil || !n.up || f.kind.class() == classStates {
		return
	}
	f.epoch, f.newest = n.epoch, n.newestEpoch()
	if len(n.sent) < sentMax {
		n.sent = append(n.sent, f)
		return
	}
	n.sent[n.w.office.rand.IntN(sentMax)] = f
}

// departed is who had a number until its epoch ended, or the keys of old. It was honest until then. Now it sends again what it
// sent, signs in the new epoch with its old key, and acknowledges and offers there what it does not have.
type departed struct {
	n     *replica
	key   int
	old   chain.Epoch
	sent  []frame
	until int64
}

// talkOn lets whom a change befell talk on.
func (o *office) talkOn(m *making) {
	n := m.node
	if m.kind == changeAdd || n.liar != nil { // a liar talks on by itself
		return
	}
	d := &departed{n: n, key: n.key, old: m.body.Epoch, sent: n.sent, until: o.w.now + talkOnMicros}
	n.sent = nil
	d.talk()
}

func (d *departed) talk() {
	w := d.n.w
	o := w.office
	if w.now > d.until {
		return
	}
	w.after(1+o.rand.Int64N(silenceMicros), -1, d.talk)
	members := w.check.newest()
	to := int(members.Members[o.rand.IntN(len(members.Members))].No)
	if to == int(d.n.no) {
		return
	}
	w.count(faultDeparted, 1)
	// The transport's word who sends is that of a number: for who has it now nobody else acknowledges (docs/reliability.md).
	switch vacant := members.Find(d.n.no) == nil; o.rand.IntN(4) {
	case 0:
		d.sendAgain(vacant)
	case 1:
		d.vote(to)
	case 2:
		d.offer(to)
	default:
		if vacant {
			d.acknowledge(to)
		}
	}
}

func (d *departed) sendAgain(vacant bool) {
	if len(d.sent) == 0 {
		return
	}
	f := d.sent[d.n.w.office.rand.IntN(len(d.sent))]
	if vacant || f.kind.class() == classVotes {
		d.n.w.net.carry(f)
	}
}

func (d *departed) post(to int, e chain.Epoch, kind frameKind, body []byte) {
	d.n.w.net.carry(frame{from: int(d.n.no), to: to, kind: kind, body: body, epoch: e, newest: e})
}

// vote signs the newest header of the peer, with the key of old.
func (d *departed) vote(to int) {
	w := d.n.w
	peer := w.nodes[to]
	if !peer.up || peer.epoch <= d.old {
		return
	}
	if x := peer.results[peer.blocks.head+1]; x != nil {
		v := w.keys.vote(d.n.no, validatorKeys()[d.key].ed25519, x.header, x.hash)
		d.post(to, peer.epoch, frameCertify, certify.AppendFrame(nil, certify.Message{Vote: &v}))
	}
}

// offer asks the peer to order what nobody holds, in the epoch that ended.
func (d *departed) offer(to int) {
	digest := chain.Hash{byte(d.n.no), byte(d.n.w.now), byte(d.n.w.now >> 8)}
	m := raft.Message{Forward: &raft.Forward{Incarnation: uint64(d.key), Digests: []chain.Hash{digest}}}
	d.post(to, d.old, frameOrder, raft.AppendFrame(nil, m))
}

// acknowledge says of the peer's newest entry that it is here.
func (d *departed) acknowledge(to int) {
	peer := d.n.w.nodes[to]
	if !peer.up || peer.epoch <= d.old || peer.own.sequence == 0 {
		return
	}
	at := spread.Position{Lane: peer.no, Epoch: peer.ownSince, Sequence: peer.own.sequence, Digest: peer.own.digest}
	d.post(to, peer.epoch, frameAck, spread.AppendPositions(nil, []spread.Position{at}))
}
