// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// reader is the queue between the loop and who reads Decided. The library bounds it: it gives out no more than 256 KiB
// of proposals that were not taken.
type reader struct {
	out  chan *chain.Proposal
	wake chan struct{}

	mu    sync.Mutex
	queue []*chain.Proposal // guarded by mu
	busy  bool              // guarded by mu; deliver holds proposals that were not taken
	skip  chain.Height      // guarded by mu; the host's checkpoint covers those up to here
}

func newReader(from chain.Height) *reader {
	return &reader{out: make(chan *chain.Proposal), wake: make(chan struct{}, 1), skip: from}
}

// put hands proposals over as far as the reader waits for them, and leaves the others to deliver. It returns the height
// up to which all were taken, 0 for none. A reader that keeps up is spared a goroutine between, and the loop a message.
func (r *reader) put(list []*chain.Proposal) (taken chain.Height) {
	if len(list) == 0 {
		return 0
	}
	r.mu.Lock()
	for len(list) > 0 && !r.busy && len(r.queue) == 0 && r.tryHand(list[0]) {
		taken = list[0].Height
		list = list[1:]
	}
	r.queue = append(r.queue, list...)
	r.mu.Unlock()
	if len(list) > 0 {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return taken
}

func (r *reader) tryHand(p *chain.Proposal) bool {
	if p.Height <= r.skip {
		return true
	}
	select {
	case r.out <- p:
		return true
	default:
		return false
	}
}

// take gives deliver what waits, and notes whether that is anything.
func (r *reader) take() []*chain.Proposal {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.queue
	r.queue, r.busy = nil, len(list) > 0
	return list
}

// skipTo passes over proposals up to a height that the host has by a checkpoint.
func (r *reader) skipTo(h chain.Height) {
	r.mu.Lock()
	r.skip = max(r.skip, h)
	r.mu.Unlock()
}

func (r *reader) skips(h chain.Height) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return h <= r.skip
}

// deliver waits for the reader with what put could not hand over. Proposals that the host's checkpoint covers are passed
// over.
func (e *Engine) deliver(ctx context.Context) error {
	for {
		list := e.reader.take()
		if len(list) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-e.reader.wake:
			}
		}
		for _, p := range list {
			if !e.reader.skips(p.Height) {
				select {
				case <-ctx.Done():
					return nil
				case e.reader.out <- p:
				}
			}
			e.box.put(Delivered{p.Height})
		}
	}
}
