// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// Node is a Transport of a Network. The network's mutex guards it.
type Node struct {
	net       *Network
	no        chain.ValidatorNo
	epoch     chain.Epoch
	peers     map[chain.ValidatorNo]string
	receiver  transport.Receiver
	started   bool
	startedAt time.Duration
	closed    bool
	last      time.Duration // a frame was delivered
}

var _ transport.Transport = (*Node)(nil)

func (d *Node) running() bool { return d.started && !d.closed }

func (d *Node) knows(no chain.ValidatorNo) bool {
	_, ok := d.peers[no]
	return ok
}

// Start implements transport.Transport.
func (d *Node) Start(r transport.Receiver) error {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	if d.closed {
		return errClosed()
	}
	if d.started {
		return fault.New(fault.Conflict, "the transport was started before")
	}
	d.started, d.receiver, d.startedAt = true, r, d.net.now
	for _, l := range d.net.lanes {
		if l.from == d.no && l.down {
			l.downSince = d.net.now
		}
	}
	d.net.reconnect()
	return nil
}

// Send implements transport.Transport.
func (d *Node) Send(to chain.ValidatorNo, class transport.Class, kind uint8, parts ...[]byte) error {
	body := bytes.Join(parts, nil)
	return d.send(to, class, flight{kind: kind, bytes: len(body), head: body})
}

// SendOwned implements transport.Transport.
func (d *Node) SendOwned(to chain.ValidatorNo, class transport.Class, kind uint8, head []byte, body transport.Body) error {
	n := len(head) + len(body.Payload())
	return d.send(to, class, flight{kind: kind, bytes: n, head: bytes.Clone(head), body: body})
}

func (d *Node) send(to chain.ValidatorNo, class transport.Class, f flight) error {
	if err := transport.CheckFrame(class, f.kind, f.bytes); err != nil {
		return err
	}
	if to == d.no {
		return fault.New(fault.Invalid, "validator %d sends to itself", to)
	}
	n := d.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if d.closed {
		return errClosed()
	}
	if !d.knows(to) {
		return fault.Reasoned(fault.NotFound, "unknown_peer", "validator %d is no peer of this membership", to)
	}
	l := n.lane(d.no, to, class)
	// Before the start nothing is dialed, so nobody is found to be away.
	if !d.started {
		l.downSince = n.now
	}
	if err := l.accept(f.size(), n.limits[class], n.now); err != nil {
		return err
	}
	n.launch(l, f)
	return nil
}

// launch sends a frame on its way, and lets the faults have it.
func (n *Network) launch(l *lane, f flight) {
	if n.faults.Drop > 0 && n.rng.Float64() < n.faults.Drop {
		f.release()
		return
	}
	if n.faults.Duplicate > 0 && n.rng.Float64() < n.faults.Duplicate {
		n.insert(l, f.copied())
	}
	n.insert(l, f)
}

func (n *Network) insert(l *lane, f flight) {
	n.sent++
	f.order, f.due = n.sent, n.now+n.faults.DelayMin
	if spread := n.faults.DelayMax - n.faults.DelayMin; spread > 0 {
		f.due += time.Duration(n.rng.Int64N(int64(spread)))
	}
	l.insert(f, n.faults.Reorder)
}

// SetPeers implements transport.Transport.
func (d *Node) SetPeers(epoch chain.Epoch, peers []transport.Peer) error {
	set := map[chain.ValidatorNo]string{}
	for _, p := range peers {
		if _, twice := set[p.No]; twice || (p.Address == "" && p.No != d.no) {
			return fault.New(fault.Invalid, "validator %d is listed twice, or has no address", p.No)
		}
		set[p.No] = p.Address
	}
	delete(set, d.no)
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	if d.closed {
		return errClosed()
	}
	d.epoch, d.peers = epoch, set
	d.net.lanes = slices.DeleteFunc(d.net.lanes, func(l *lane) bool {
		gone := l.from == d.no && !d.knows(l.to)
		if gone {
			l.lose("peer_removed")
		}
		return gone
	})
	d.net.reconnect()
	return nil
}

// Status implements transport.Transport. Its times are those of the network since 1970.
func (d *Node) Status() []transport.PeerStatus {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	var all []transport.PeerStatus
	for _, no := range slices.Sorted(maps.Keys(d.peers)) {
		s := transport.PeerStatus{No: no, Address: d.peers[no]}
		if other := d.net.nodes[no]; other != nil && d.net.reachable(d.no, no) {
			s.Epoch = other.epoch
		}
		for c := range transport.ClassCount {
			s.Classes[c] = d.classStatus(no, c)
		}
		all = append(all, s)
	}
	return all
}

func (d *Node) classStatus(no chain.ValidatorNo, c transport.Class) transport.ClassStatus {
	out, in := d.net.lane(d.no, no, c), d.net.lane(no, d.no, c)
	s := transport.ClassStatus{QueueFrames: len(out.flights), QueueBytes: out.bytes, Dropped: out.dropped, LastError: out.lastErr}
	if out.connects > 1 {
		s.Reconnects = out.connects - 1
	}
	if !out.down {
		s.SendingSince, s.RoundTrip = wall(out.upSince), d.net.faults.DelayMin+d.net.faults.DelayMax
	}
	if !in.down {
		s.ReceivingSince, s.LastReceived = wall(in.upSince), wall(d.last)
	}
	return s
}

func wall(t time.Duration) time.Time { return time.Unix(0, int64(t)) }

// Close implements transport.Transport.
func (d *Node) Close() error {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	d.closed = true
	for _, l := range d.net.lanes {
		if l.from == d.no && d.net.nodes[d.no] == d {
			l.lose("closed")
		}
	}
	d.net.reconnect()
	return nil
}

func errClosed() error { return fault.New(fault.Unavailable, "the transport is closed") }
