// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"sync"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// inboxBytesMax bounds the frames of one peer that wait. A leader has no more than half of it on its way to a follower.
const inboxBytesMax = 1 << 20

// mailbox is the one queue into the loop. What the node itself puts in is bounded by what it handed out; each peer's
// frames have bounds of their own, so that none can keep another out.
type mailbox struct {
	wake      chan struct{}
	framesMax int // of one peer

	mu     sync.Mutex
	inputs []Input // guarded by mu
	spare  []Input // guarded by mu; memory of the batch before
	load   []load  // guarded by mu; by validator number
}

// load is what of a peer waits.
type load struct{ frames, bytes int }

func newMailbox(peers, framesMax int) *mailbox {
	return &mailbox{wake: make(chan struct{}, 1), framesMax: framesMax, load: make([]load, peers)}
}

// put adds what the node itself has to say.
func (b *mailbox) put(in Input) {
	b.mu.Lock()
	b.inputs = append(b.inputs, in)
	b.mu.Unlock()
	b.signal()
}

// receive adds a peer's frame of so many bytes, or answers TryLater.
func (b *mailbox) receive(in Received, bytes int) error {
	b.mu.Lock()
	l := &b.load[in.From]
	if l.frames >= b.framesMax || l.bytes+bytes > inboxBytesMax {
		b.mu.Unlock()
		return fault.Reasoned(fault.TryLater, "inbox_full", "frames of validator %d wait already", in.From)
	}
	l.frames++
	l.bytes += bytes
	b.inputs = append(b.inputs, in)
	b.mu.Unlock()
	b.signal()
	return nil
}

func (b *mailbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take gives all that waits. The slice is the caller's until the next take.
func (b *mailbox) take() []Input {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.inputs
	clear(b.spare)
	clear(b.load)
	b.inputs, b.spare = b.spare[:0], taken
	return taken
}
