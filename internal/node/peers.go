// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/spread"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// Kinds of frames between validators. Acknowledgements and asks of the lanes travel with the votes: they are small, and an
// entry is not ordered before its acknowledgements came.
const (
	frameOrder uint8 = 1 // class Consensus: a message of the ordering engine
	frameVote  uint8 = 2 // class Consensus: a message of the certifier
	frameLane  uint8 = 8 // class Consensus: 8 + a kind of package spread
)

// peers is what a node among several validators has more than one alone.
type peers struct {
	links      *transport.TCP
	raft       *raft.Engine
	orders     *orders
	relay      *lane.Relay
	certifier  *certify.Certifier
	catchUp    *catchUp
	handovers  *handovers
	epoch      chain.Epoch // in which the node orders
	otherEpoch prometheus.Counter
	frames     [chain.ValidatorsMax][]byte // by sender: memory of its consensus frame, which nobody keeps
}

// openPeers takes the address at which the other validators reach this one. Nothing is accepted before run.
func (n *Node) openPeers(context.Context) error {
	if !n.several() {
		return nil
	}
	v := n.cfg.Validators
	identity, err := transport.LoadIdentity(n.cfg.Path(v.Cert), n.cfg.Path(v.Key), n.cfg.Path(v.CA))
	if err != nil {
		return err
	}
	links, err := transport.Listen(transport.Options{
		Chain: n.genesis.Chain, Self: n.self, Address: v.Listen, Identity: identity,
		LinkBytesPerSecond: v.LinkBytesPerSecond, Log: n.log, Metrics: n.metrics,
	})
	if err != nil {
		return err
	}
	n.peers = &peers{links: links, epoch: n.epoch, otherEpoch: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "aurigraph_node_other_epoch_total", Help: "Messages of the ordering engine that were dropped because they are of another membership epoch.",
	})}
	n.peers.handovers = &handovers{node: n}
	if _, err := obs.Register(n.metrics, "the peers", n.peers.otherEpoch); err != nil {
		return err
	}
	n.onClose(func() error {
		if n.peers.relay != nil {
			n.peers.relay.Stop()
		}
		return links.Close()
	})
	var all []transport.Peer
	for _, m := range n.newest().Membership().Members {
		all = append(all, transport.Peer{No: m.No, Address: n.address(m.No)})
	}
	return links.SetPeers(n.newest().Epoch(), all)
}

// run lets frames in and keeps the parts' time, until ctx ends.
func (p *peers) run(ctx context.Context) error {
	if err := p.links.Start(p); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.relay.Run(ctx) })
	if p.certifier != nil {
		group.Go(func() error { return p.certifier.Run(ctx) })
	}
	group.Go(func() error { return p.catchUp.run(ctx) })
	group.Go(func() error { return p.handovers.run(ctx) })
	group.Go(func() error { return p.catchUp.node.evidenceBook.run(ctx) })
	return group.Wait()
}

// Frame takes a frame of another validator to the part that it is for.
func (p *peers) Frame(from chain.ValidatorNo, class transport.Class, kind uint8, bytes int, r io.Reader) error {
	if class == transport.Sync && (kind == frameAskHandovers || kind == frameHandovers) {
		return p.handovers.frame(from, kind, bytes, r)
	}
	if class == transport.Sync {
		return p.catchUp.frame(from, kind, bytes, r)
	}
	if class == transport.Batches && kind == spread.KindEntry {
		return p.relay.Receive(from, kind, bytes, r)
	}
	if class != transport.Consensus {
		return fault.Reasoned(fault.Invalid, "malformed", "a %s frame of kind %d", class, kind)
	}
	if kind >= frameLane+spread.KindAck && kind <= frameLane+spread.KindAskExecuted {
		return p.relay.Receive(from, kind-frameLane, bytes, r)
	}
	frame := p.frames[from]
	if cap(frame) < bytes {
		frame = make([]byte, bytes)
		p.frames[from] = frame
	}
	frame = frame[:bytes]
	if _, err := io.ReadFull(r, frame); err != nil {
		return err
	}
	switch {
	case kind == frameOrder:
		p.receiveOrder(from, frame)
	case kind == frameVote && p.certifier != nil:
		_ = p.certifier.Receive(from, frame) // refused messages are counted there
	case kind == frameVote: // the node was away when its epoch ended
	default:
		return fault.Reasoned(fault.Invalid, "malformed", "a %s frame of kind %d", class, kind)
	}
	return nil
}

// receiveOrder gives the engine what is of its epoch: other epochs have ordering logs of their own, with the same places.
func (p *peers) receiveOrder(from chain.ValidatorNo, frame []byte) {
	if p.raft == nil || len(frame) < orderEpochBytes || chain.Epoch(binary.LittleEndian.Uint64(frame)) != p.epoch {
		p.otherEpoch.Inc()
		return
	}
	_ = p.raft.Receive(from, frame[orderEpochBytes:]) // refused messages are counted there
}

// orderEpochBytes is the membership epoch before a message of the ordering engine, little-endian.
const orderEpochBytes = 8

// orders sends messages of the ordering engine.
type orders struct {
	links sender
	epoch chain.Epoch
}

// sender is the part of the transport that sends frames. Among validators that a test runs, one may lie.
type sender interface {
	Send(to chain.ValidatorNo, class transport.Class, kind uint8, body ...[]byte) error
}

// Send sends a message, behind its epoch.
func (o *orders) Send(to chain.ValidatorNo, frame []byte) {
	framed := binary.LittleEndian.AppendUint64(make([]byte, 0, orderEpochBytes+len(frame)), uint64(o.epoch))
	_ = o.links.Send(to, transport.Consensus, frameOrder, append(framed, frame...))
}

// words sends small frames of one kind. What cannot be sent is counted by the transport, and sent again by the sender.
type words struct {
	links *transport.TCP
	kind  uint8
}

// Send sends a frame.
func (w words) Send(to chain.ValidatorNo, frame []byte) {
	_ = w.links.Send(to, transport.Consensus, w.kind, frame)
}

// laneLinks carries what the lanes say.
type laneLinks struct{ links *transport.TCP }

// Send sends an acknowledgement or an ask.
func (l laneLinks) Send(to chain.ValidatorNo, kind uint8, frame []byte) {
	_ = l.links.Send(to, transport.Consensus, frameLane+kind, frame)
}

// SendEntry sends an entry with its payload.
func (l laneLinks) SendEntry(to chain.ValidatorNo, head []byte, payload lane.Body) {
	if err := l.links.SendOwned(to, transport.Batches, spread.KindEntry, head, payload); err != nil {
		payload.Release()
	}
}

// Connection numbers the connection for entries.
func (l laneLinks) Connection(to chain.ValidatorNo) uint64 {
	return l.links.Connection(to, transport.Batches)
}
