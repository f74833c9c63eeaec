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
}

func newReader() *reader {
	return &reader{out: make(chan *chain.Proposal), wake: make(chan struct{}, 1)}
}

func (r *reader) put(list []*chain.Proposal) {
	if len(list) == 0 {
		return
	}
	r.mu.Lock()
	r.queue = append(r.queue, list...)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reader) take() []*chain.Proposal {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.queue
	r.queue = nil
	return list
}

// deliver hands proposals to the reader. Those that the host's checkpoint covers are passed over.
func (e *Engine) deliver(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.reader.wake:
		}
		for _, p := range e.reader.take() {
			if uint64(p.Height) > e.skip.Load() {
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
