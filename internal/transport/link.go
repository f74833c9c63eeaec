// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

const (
	backoffMin = 50 * time.Millisecond
	backoffMax = 2 * time.Second
)

// link sends to one peer in one class: a queue, and a connection that is made again for ever.
type link struct {
	t      *TCP
	peer   *peer
	class  Class
	queue  *queue
	ctx    context.Context // ends when the peer leaves or the transport closes
	cancel context.CancelFunc
	retry  chan struct{} // dial now: the address changed

	dropped atomic.Uint64

	mu       sync.Mutex
	conn     *outgoing // guarded by mu; nil while not connected
	stopped  bool      // guarded by mu
	connects uint64    // guarded by mu
	last     time.Time // guarded by mu; bytes on connections before
	lastErr  string    // guarded by mu
}

func newLink(t *TCP, p *peer, c Class) *link {
	l := &link{t: t, peer: p, class: c, retry: make(chan struct{}, 1)}
	l.queue = newQueue(t.opts.Limits[c], c, l.drop)
	l.ctx, l.cancel = context.WithCancel(t.ctx)
	return l
}

func (l *link) push(f frame) error {
	err := l.queue.push(f)
	if err != nil {
		l.drop(1, fault.ReasonOf(err))
	}
	return err
}

func (l *link) drop(frames int, reason string) {
	l.dropped.Add(uint64(frames))
	l.t.metrics.drops.WithLabelValues(l.class.String(), reason).Add(float64(frames))
}

// run dials until the link is stopped.
func (l *link) run() {
	failures := 0
	down := time.AfterFunc(l.t.opts.DeadAfter, l.suspend)
	defer down.Stop()
	for l.ctx.Err() == nil {
		conn, err := l.dial()
		if err == nil && l.connected(conn) {
			down.Stop()
			err = conn.run(l.ctx)
			l.disconnected(conn, err)
			down.Reset(l.t.opts.DeadAfter)
			if time.Since(conn.since) > backoffMax {
				failures = 0
			}
		}
		if errors.Is(err, errKeysWornOut) {
			continue
		}
		l.complain(err)
		l.pause(backoff(failures, rand.Float64()))
		failures++
	}
}

// backoff is the pause after so many failures: it doubles, and chance shortens it by up to a half, so that peers that lost
// a node together do not come back together.
func backoff(failures int, chance float64) time.Duration {
	d := backoffMax
	if failures < 6 {
		d = min(backoffMin<<failures, backoffMax)
	}
	return d - time.Duration(chance*float64(d/2))
}

func (l *link) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.retry:
	case <-l.ctx.Done():
	}
}

func (l *link) connected(c *outgoing) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		c.wire.Close()
		return false
	}
	l.conn, l.lastErr = c, ""
	l.queue.refuse(nil, "")
	l.t.metrics.connections[directionOut][l.class].Inc()
	if l.connects++; l.connects > 1 {
		l.t.metrics.reconnects[l.class].Inc()
	}
	return true
}

func (l *link) disconnected(c *outgoing, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.last = nil, c.wire.lastReadTime()
	if err != nil {
		l.lastErr = err.Error()
	}
	l.t.metrics.connections[directionOut][l.class].Dec()
}

// suspend drops what waits for a peer that is not there, so that the memory serves the others.
func (l *link) suspend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil || l.stopped {
		return
	}
	l.queue.refuse(fault.Reasoned(fault.TryLater, "disconnected", "validator %d is not connected", l.peer.no), "disconnected")
}

func (l *link) stop(why error, reason string) {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.queue.refuse(why, reason)
}

// hangUp makes the link dial again.
func (l *link) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.wire.Close()
	}
	select {
	case l.retry <- struct{}{}:
	default:
	}
}

// complain tells why there is no connection.
func (l *link) complain(err error) {
	if err == nil || l.ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	l.lastErr = err.Error()
	l.mu.Unlock()
	l.t.complaints.say(complaint{fault.ReasonOf(err), int(l.peer.no), l.class}, "no "+l.class.String()+" connection to a validator", err,
		slog.String(obs.KeyAddress, l.peer.dialAddress()))
}

func (l *link) status() ClassStatus {
	s := ClassStatus{Dropped: l.dropped.Load()}
	s.QueueFrames, s.QueueBytes = l.queue.size()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.LastReceived, s.LastError = l.last, l.lastErr
	if l.connects > 1 {
		s.Reconnects = l.connects - 1
	}
	if l.conn != nil {
		s.SendingSince, s.LastReceived = l.conn.since, l.conn.wire.lastReadTime()
		s.RoundTrip = time.Duration(l.conn.roundTrip.Load())
	}
	return s
}
