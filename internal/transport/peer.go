// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// peer is one other validator, as long as it is in the membership.
type peer struct {
	no    chain.ValidatorNo
	links [ClassCount]*link
	seats [ClassCount]*seat
	epoch atomic.Uint64 // as the peer told last

	mu      sync.Mutex
	address string // guarded by mu
}

func newPeer(t *TCP, no chain.ValidatorNo, address string) *peer {
	p := &peer{no: no, address: address}
	for c := range ClassCount {
		p.links[c] = newLink(t, p, c)
		p.seats[c] = &seat{turn: make(chan struct{}, 1)}
	}
	return p
}

// move dials a new address from now on.
func (p *peer) move(address string) {
	p.mu.Lock()
	moved := p.address != address
	p.address = address
	p.mu.Unlock()
	if !moved {
		return
	}
	for _, l := range p.links {
		l.hangUp()
	}
}

func (p *peer) dialAddress() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address
}

// leave ends all that belongs to the peer. It does not wait.
func (p *peer) leave(why error, reason string) {
	for c := range ClassCount {
		p.links[c].stop(why, reason)
		p.seats[c].close()
	}
}

func (p *peer) status() PeerStatus {
	s := PeerStatus{No: p.no, Address: p.dialAddress(), Epoch: chain.Epoch(p.epoch.Load())}
	for c := range ClassCount {
		s.Classes[c] = p.links[c].status()
		since, last := p.seats[c].status()
		s.Classes[c].ReceivingSince = since
		if last.After(s.Classes[c].LastReceived) {
			s.Classes[c].LastReceived = last
		}
	}
	return s
}

// seat is where a peer's incoming connection of one class sits: the newest one. A peer that restarted dials again before
// its old connection is found dead.
type seat struct {
	turn chan struct{} // holds a token while frames are read: one connection at a time, the old one to its end

	mu     sync.Mutex
	now    *incoming // guarded by mu
	last   time.Time // guarded by mu; bytes on connections before
	closed bool      // guarded by mu
}

// take seats a connection and ends the one before; false if the peer left.
func (s *seat) take(c *incoming) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.now != nil {
		s.now.end()
	}
	s.now = c
	return true
}

func (s *seat) give(c *incoming) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := c.wire.lastReadTime(); last.After(s.last) {
		s.last = last
	}
	if s.now == c {
		s.now = nil
	}
}

func (s *seat) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.now != nil {
		s.now.end()
	}
}

func (s *seat) status() (since, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		return time.Time{}, s.last
	}
	return s.now.since, s.now.wire.lastReadTime()
}
