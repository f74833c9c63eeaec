// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// doom lets a node lose its power now, or in one of the records that it writes next.
func (n *replica) doom(e *episode) {
	if e.records == 0 {
		n.loses(e)
		return
	}
	doomed := *e
	n.doomed = &doomed
}

func (n *replica) loses(e *episode) {
	if n.up {
		n.w.count(faultCrash, 1)
		n.crash()
		n.bootAfter(e.micros)
	}
}

// wrote is called in each record.
func (n *replica) wrote() {
	n.w.office.recorded(n)
	if n.doomed == nil {
		return
	}
	if n.doomed.records--; n.doomed.records <= 0 {
		e := n.doomed
		n.doomed = nil
		n.loses(e)
	}
}

// crash takes the power. What runs in this very moment goes on without effect.
func (n *replica) crash() {
	if !n.up {
		return
	}
	n.up = false
	for _, l := range []*wal{n.payloads, n.orders, n.votes} {
		l.crash()
	}
	n.records.crash()
	n.blocks.crash(n.w.diskRand)
	for _, c := range n.slots {
		if c != nil && c.unfinished {
			n.w.count(faultLostWrite, 1)
		}
	}
	for _, peer := range n.w.nodes {
		peer.after(n.w.hostRand.Int64N(150_000), peer.noticePeers)
	}
}

func (n *replica) bootAfter(micros int64) {
	life := n.life
	n.w.after(micros, int(n.no), func() {
		if !n.up && n.life == life {
			n.boot()
		}
	})
}

// noticePeers tells the lanes who is connected.
func (n *replica) noticePeers() {
	for v, peer := range n.w.nodes {
		if peer == n || n.insiders().Find(peer.no) == nil {
			continue
		}
		now := 0
		if peer.up && peer.insiders().Find(n.no) != nil && n.w.net.linked(int(n.no), v) {
			now = peer.life
		}
		if n.halted != "" || now == n.peers[v] {
			continue
		}
		if n.peers[v] != 0 {
			n.stepSpread(spread.Disconnected{Peer: chain.ValidatorNo(v)})
		}
		if n.peers[v] = now; now != 0 {
			n.stepSpread(spread.Connected{Peer: chain.ValidatorNo(v)})
		}
	}
}
