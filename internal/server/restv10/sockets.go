// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of WebSockets.
const (
	socketMessageBytesMax = 8 << 10 // of a client; more closes the socket
	socketAccountsMax     = 64      // accounts that one follows
	socketRepliesMax      = 16      // answers that wait to be taken; then the socket counts as stalled
	socketReadBytes       = 512     // of the buffer that each has
	socketPushInterval    = 5 * time.Second
	socketHeadInterval    = 500 * time.Millisecond // heads are conflated to two a second
	socketHeadSpread      = 100 * time.Millisecond // so that not all are sent at once
	socketTick            = 50 * time.Millisecond
	socketPingInterval    = 30 * time.Second
	socketSilenceMax      = 90 * time.Second
	socketStallMax        = 5 * time.Second  // for taking one message
	socketLinger          = 10 * time.Second // in which a stalled client may still learn why
	socketGoingLinger     = time.Second      // in which a client learns that the server goes
	socketPushAge         = time.Second      // of what sockets share
	reasonStalled         = "stalled"
	reasonGoing           = "going_away"
)

// sockets are the WebSockets of a server. One goroutine looks at all of them every socketTick and wakes those that have something to
// send: each writes in a goroutine of its own, which lives as long as it writes, so that none waits for another.
type sockets struct {
	server   *Server
	upgrader *gws.Upgrader
	contents *contents
	head     atomic.Uint64 // newest certified height
	open     atomic.Int64
	writers  sync.WaitGroup
	readers  sync.WaitGroup

	mu    sync.Mutex // guards what follows
	all   map[*socket]struct{}
	going bool // the server goes: none may stay
}

func newSockets(s *Server) *sockets {
	h := &sockets{server: s, contents: newContents(s), all: map[*socket]struct{}{}}
	h.upgrader = gws.NewUpgrader(events{h}, &gws.ServerOption{
		ReadMaxPayloadSize: socketMessageBytesMax, ReadBufferSize: socketReadBytes, CheckUtf8Enabled: true, HandshakeTimeout: headerTimeout,
		Logger: quiet{},
	})
	return h
}

// quiet drops what the library would print: a client's faults are counted, not logged.
type quiet struct{}

// Error drops it.
func (quiet) Error(...any) {}

func (h *sockets) count() int64 { return h.open.Load() }

// socket upgrades a request to a WebSocket.
func (s *Server) socket(_ context.Context, q *request) (any, error) {
	if q.Method != http.MethodGet || q.upgrade == nil {
		return nil, errUpgrade()
	}
	return nil, s.sockets.upgrade(q)
}

func errUpgrade() error { return fault.Reasoned(fault.Invalid, v10.ReasonUpgrade, "Upgrade Required") }

// upgrade takes the connection over. errHijacked says that nobody else may write to it any more.
func (h *sockets) upgrade(q *request) error {
	if !wantsUpgrade(q.Header) {
		return errUpgrade()
	}
	if h.open.Add(1) > int64(h.server.cfg.SocketsMax) || h.server.draining.Load() {
		h.open.Add(-1)
		return fault.Reasoned(fault.TryLater, "sockets", "%d WebSockets are open already", h.server.cfg.SocketsMax)
	}
	conn, err := h.upgrader.Upgrade(q.upgrade, q.Request)
	if err != nil {
		h.open.Add(-1)
		return errHijacked
	}
	h.readers.Go(conn.ReadLoop) // beside the handler, so that nothing of the request is kept
	return errHijacked
}

var errHijacked = errors.New("the connection was taken over")

// run serves the sockets until ctx ends, and returns when none is left.
func (h *sockets) run(ctx context.Context) {
	h.head.Store(uint64(h.server.parts.Reader.Counters().Height))
	var follower sync.WaitGroup
	defer follower.Wait()
	following, stop := context.WithCancel(ctx)
	defer stop()
	follower.Go(func() { h.follow(following) })
	tick := time.NewTicker(socketTick)
	defer tick.Stop()
	drained := h.server.drained
	for {
		select {
		case <-drained:
			h.endAll()
			drained = nil // what was under way may go on until ctx ends
		case <-ctx.Done():
			h.endAll()
			h.writers.Wait()
			h.readers.Wait()
			return
		case now := <-tick.C:
			h.look(ctx, now)
		}
	}
}

// follow notes certified heights; when the feed ends it is asked again.
func (h *sockets) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := h.server.parts.Reader.FollowHeights(ctx, func(at chain.Height) error {
			h.head.Store(uint64(at))
			return nil
		})
		if ctx.Err() == nil {
			h.server.parts.Log.Warn("WebSockets do not hear of blocks for a moment", obs.Err(err))
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
}

// look wakes the sockets that have something to send, and begins to close those that stall.
func (h *sockets) look(ctx context.Context, now time.Time) {
	head := chain.Height(h.head.Load())
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.all {
		if s.due(now, head) {
			h.writers.Go(func() { s.write(ctx) })
		}
	}
}

// add takes note of a socket, and reports whether it may stay.
func (h *sockets) add(s *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[s] = struct{}{}
	h.server.metrics.sockets.Set(float64(len(h.all)))
	return !h.going
}

func (h *sockets) remove(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, s)
	h.open.Add(-1)
	h.server.metrics.sockets.Set(float64(len(h.all)))
}

// endAll tells every client that the server goes.
func (h *sockets) endAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.going = true
	for s := range h.all {
		h.writers.Go(func() { s.end(closeGoingAway, reasonGoing, socketGoingLinger) })
	}
}

// spread is when the next head may be sent.
func spread(now time.Time) time.Time {
	return now.Add(socketHeadInterval + rand.N(socketHeadSpread))
}
