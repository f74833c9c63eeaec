// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Bounds of WebSockets.
const (
	socketMessageBytesMax = 8 << 10 // of a client; more closes the socket
	socketAccountsMax     = 64      // accounts that one follows
	socketRepliesMax      = 16      // answers that wait to be taken; then the socket counts as stalled
	socketReadBytes       = 4096    // that are read of one at a time
	socketListenBytes     = 512     // the same, of one that has a reader of its own
	socketTogetherBytes   = 64 << 10
	socketPushInterval    = 5 * time.Second
	socketHeadInterval    = 500 * time.Millisecond // a socket's window, in which it gets one head
	socketTick            = 10 * time.Millisecond
	socketSlots           = int64(socketHeadInterval / socketTick)
	socketPingInterval    = 30 * time.Second
	socketSilenceMax      = 90 * time.Second
	socketStallMax        = 5 * time.Second  // for taking one message
	socketResolveMax      = 5 * time.Second  // for finding the accounts that one wants to follow
	socketLinger          = 10 * time.Second // in which a stalled client may still learn why
	socketGoingLinger     = time.Second      // in which a client learns that the server goes
	socketPushAge         = time.Second      // of what sockets share
	socketReadAgain       = 100 * time.Millisecond
	socketBlocksAhead     = 16  // blocks that are read before any socket asks for them
	socketsApiece         = 128 // of those due together, how many are worth a goroutine
	reasonStalled         = "stalled"
	reasonSilent          = "silent"
	reasonClient          = "client"
	reasonGoing           = "going_away"
	reasonFailed          = "failed"
)

// sockets are the WebSockets of a server. Each has one of socketSlots slots, and run looks at a slot's sockets every
// socketHeadInterval; besides, it wakes those whom a new height concerns, and those who asked for something. What the kernel takes at once
// is written there. A socket that does not take all, or for which something must be read, goes on in a goroutine of its own, which lives as
// long as it writes, so that none waits for another.
type sockets struct {
	server   *Server
	contents *contents
	began    time.Time
	head     atomic.Uint64        // newest certified height
	blocks   atomic.Uint64        // up to where blocks were read for those who follow them
	news     atomic.Pointer[head] // the newest one that was read, nil while nobody wants one
	newBlock chan struct{}        // there are blocks to read; holds one
	newHead  chan struct{}        // there is a head to read; holds one
	due      chan struct{}        // somebody is to be woken; holds one
	open     atomic.Int64
	writers  sync.WaitGroup
	readers  sync.WaitGroup
	watcher  sync.WaitGroup // of ready

	mu        sync.Mutex // guards what follows
	slots     [socketSlots]map[*socket]struct{}
	followers map[*socket]struct{} // of transactions and accounts
	heads     map[*socket]struct{} // of blocks and consensus
	waiting   map[*socket]struct{} // of heads: they get the next one at once
	awake     map[*socket]struct{} // they asked for something
	all       int
	turn      int        // slot of the next socket
	going     bool       // the server goes: none may stay
	ready     *readiness // nil before the first socket that can be watched
}

func newSockets(s *Server) *sockets {
	h := &sockets{
		server: s, contents: newContents(s), began: time.Now(),
		newBlock: make(chan struct{}, 1), newHead: make(chan struct{}, 1), due: make(chan struct{}, 1),
		followers: map[*socket]struct{}{}, heads: map[*socket]struct{}{}, waiting: map[*socket]struct{}{}, awake: map[*socket]struct{}{},
	}
	for i := range h.slots {
		h.slots[i] = map[*socket]struct{}{}
	}
	return h
}

func (h *sockets) count() int64 { return h.open.Load() }

// now is the time since the sockets began.
func (h *sockets) now() time.Duration { return time.Since(h.began) }

// run serves the sockets until ctx ends, and returns when none is left.
func (h *sockets) run(ctx context.Context) {
	h.head.Store(uint64(h.server.parts.Reader.Counters().Height))
	h.blocks.Store(h.head.Load())
	var beside sync.WaitGroup
	beside.Go(func() { h.follow(ctx) })
	beside.Go(func() { h.readBlocks(ctx) })
	beside.Go(func() { h.readHeads(ctx) })
	h.look(ctx)
	h.endAll()
	h.stopHearing()
	h.writers.Wait()
	beside.Wait()
}

// look wakes sockets until ctx ends.
func (h *sockets) look(ctx context.Context) {
	tick := time.NewTicker(socketTick)
	defer tick.Stop()
	var told *head
	var at, ticks uint64
	drained := h.server.drained
	for {
		select {
		case <-drained:
			h.endAll()
			drained = nil // what was under way may go on until ctx ends
		case <-ctx.Done():
			return
		case <-tick.C:
			ticks = h.lookAtSlots(ctx, ticks)
		case <-h.due:
			news, blocks := h.news.Load(), h.blocks.Load()
			now, batch := h.now(), h.concerned(news != told, blocks != at)
			h.serve(ctx, batch)
			h.letWait(batch, now)
			told, at = news, blocks
		}
	}
}

// lookAtSlots looks at the sockets whose windows began since a tick, and returns the tick that it is now.
func (h *sockets) lookAtSlots(ctx context.Context, last uint64) uint64 {
	now := h.now()
	ticks := uint64(now / socketTick)
	first := max(last+1, ticks-min(ticks, uint64(socketSlots)-1)) // each slot once
	var batch []*socket
	h.mu.Lock()
	for t := first; t <= ticks; t++ {
		for s := range h.slots[t%uint64(socketSlots)] {
			batch = append(batch, s)
		}
	}
	h.mu.Unlock()
	h.serve(ctx, batch)
	h.letWait(batch, now)
	return ticks
}

// letWait has those of some sockets get the next head at once that had none in their present window. The newest one may have been none
// for them: it was there when they asked.
func (h *sockets) letWait(batch []*socket, now time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range batch {
		if _, watches := h.heads[s]; watches && s.waitsForHead(now) {
			h.waiting[s] = struct{}{}
		}
	}
}

// concerned are the sockets that asked for something, and those that new heads and new blocks are for.
func (h *sockets) concerned(newHead, newBlock bool) (batch []*socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	take := func(from map[*socket]struct{}) {
		for s := range from {
			batch = append(batch, s)
		}
	}
	take(h.awake)
	clear(h.awake)
	if newBlock {
		take(h.followers)
	}
	if newHead {
		take(h.waiting)
		clear(h.waiting)
	}
	return batch
}

// serve serves sockets that may have something to send, on half of the cores if they are many: the others are the ledger's.
func (h *sockets) serve(ctx context.Context, batch []*socket) {
	parts := max(1, min(runtime.GOMAXPROCS(0)/2, len(batch)/socketsApiece))
	var group sync.WaitGroup
	for i := range parts {
		part := batch[i*len(batch)/parts : (i+1)*len(batch)/parts]
		serve := func() {
			for _, s := range part {
				s.serve(ctx, h.now())
			}
		}
		if i == parts-1 {
			serve()
		} else {
			group.Go(serve)
		}
	}
	group.Wait()
}

// follow notes certified heights; when the feed ends it is asked again.
func (h *sockets) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := h.server.parts.Reader.FollowHeights(ctx, func(at chain.Height) error {
			h.head.Store(uint64(at))
			h.ask()
			return nil
		})
		if ctx.Err() == nil {
			h.server.parts.Log.Warn("WebSockets do not hear of blocks for a moment", obs.Err(err))
			wait(ctx, time.Second)
		}
	}
}

// ask has read what sockets will want now.
func (h *sockets) ask() {
	signal(h.newBlock)
	signal(h.newHead)
}

// readBlocks reads blocks before any socket asks for them, and wakes those who follow them.
func (h *sockets) readBlocks(ctx context.Context) {
	for heard(ctx, h.newBlock) {
		head, at := h.head.Load(), h.blocks.Load()
		h.mu.Lock()
		followers := len(h.followers)
		h.mu.Unlock()
		for next := max(at, head-min(head, socketBlocksAhead)) + 1; followers > 0 && next <= head; next++ {
			_, _ = h.contents.at(ctx, chain.Height(next)) // a socket that wants it finds out why not
		}
		h.blocks.Store(head)
		signal(h.due)
	}
}

// readHeads reads the newest head once for all, and wakes those who wait for it. It waits for no block's transfers.
func (h *sockets) readHeads(ctx context.Context) {
	for heard(ctx, h.newHead) {
		h.mu.Lock()
		wanted := len(h.heads) > 0
		h.mu.Unlock()
		if !h.readNews(ctx, chain.Height(h.head.Load()), wanted) {
			wait(ctx, socketReadAgain)
			signal(h.newHead)
		}
		signal(h.due)
	}
}

// heard waits for a signal; it is false when ctx ends.
func heard(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// readNews reads the newest head, if somebody wants it. It is false if that must be tried again.
func (h *sockets) readNews(ctx context.Context, at chain.Height, wanted bool) bool {
	last := h.news.Load()
	switch {
	case !wanted:
		h.news.Store(nil) // who comes later gets no old one
		return true
	case last != nil && last.height == at:
		return true
	}
	news, err := h.server.readHead(ctx, at)
	if err != nil {
		return fault.Is(err, fault.Pruned) || fault.Is(err, fault.NotFound) // then the next one
	}
	h.news.Store(news)
	return true
}

// signal says on a channel that holds one that there is something to do.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is said already
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
