// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/order/ordertest"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

// host runs one engine of a cluster and takes what it decides.
type host struct {
	*Engine
	from   chain.Height
	cancel context.CancelFunc
	end    chan error
	read   chan struct{}

	mu      sync.Mutex
	decided []*chain.Proposal // guarded by mu
}

func (h *host) height() (height chain.Height) {
	h.mu.Lock()
	defer h.mu.Unlock()
	height = h.from
	if n := len(h.decided); n > 0 {
		height = h.decided[n-1].Height
	}
	return height
}

// digests are all that the host saw decided.
func (h *host) digests() map[chain.Hash]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[chain.Hash]bool{}
	for _, p := range h.decided {
		for _, d := range p.Entries {
			seen[d] = true
		}
	}
	return seen
}

// bring opens a node's engine and runs it.
func bring(t *testing.T, c ordertest.Cluster, i int, from chain.Height) *host {
	t.Helper()
	h := &host{Engine: c.Open(t, i, ordertest.Settings{From: from}).(*Engine), from: from, end: make(chan error, 1), read: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	h.cancel = cancel
	go func() { h.end <- h.Run(ctx) }()
	go func() {
		defer close(h.read)
		for {
			select {
			case p := <-h.Decided():
				h.mu.Lock()
				h.decided = append(h.decided, p)
				h.mu.Unlock()
			case <-ctx.Done():
				return
			}
		}
	}()
	return h
}

func (h *host) halt(t *testing.T) {
	t.Helper()
	h.cancel()
	if err := <-h.end; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	<-h.read
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 20_000 {
		if holds() {
			return
		}
		<-time.After(time.Millisecond)
	}
	t.Fatalf("not within 20 s: %s", what)
}

func digest(n int) chain.Hash { return chain.Hash{byte(n >> 8), byte(n), 1} }

func inMemory(int) (disk.FS, string) { return faultfs.New(), "/order" }

// agree checks that nodes decided the same where both decided.
func agree(t *testing.T, hosts ...*host) {
	t.Helper()
	history := map[chain.Height]chain.Hash{}
	for i, h := range hosts {
		for _, p := range h.decided {
			if was, ok := history[p.Height]; ok && was != codec.ProposalHash(p) {
				t.Errorf("node %d decided another height %d", i, p.Height)
			}
			history[p.Height] = codec.ProposalHash(p)
		}
	}
}
