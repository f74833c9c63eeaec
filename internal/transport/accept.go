// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

const (
	// handshakesMax bounds connections of which nobody knows yet whose they are.
	handshakesMax = 256
	acceptPause   = 50 * time.Millisecond
)

// handshakes are the connections that have not yet said who they are. At the bound the oldest ends: a validator needs
// milliseconds, so the oldest is a stranger's.
type handshakes struct {
	mu     sync.Mutex
	conns  *list.List // guarded by mu; of net.Conn, the oldest first
	closed bool       // guarded by mu
}

func newHandshakes() *handshakes { return &handshakes{conns: list.New()} }

// add notes a connection. evicted says that an older one was ended for it.
func (h *handshakes) add(c net.Conn) (e *list.Element, evicted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		c.Close()
	}
	if h.conns.Len() >= handshakesMax {
		h.conns.Remove(h.conns.Front()).(net.Conn).Close()
		evicted = true
	}
	return h.conns.PushBack(c), evicted
}

func (h *handshakes) remove(e *list.Element) {
	h.mu.Lock()
	h.conns.Remove(e)
	h.mu.Unlock()
}

func (h *handshakes) closeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for e := h.conns.Front(); e != nil; e = e.Next() {
		e.Value.(net.Conn).Close()
	}
}

// accept takes connections until the listener is closed.
func (t *TCP) accept() {
	for {
		raw, err := t.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.complaints.say(complaint{"accept", -1, 0}, "validators cannot connect", err)
			t.pause(acceptPause)
			continue
		}
		pending, evicted := t.handshakes.add(raw)
		if evicted {
			t.metrics.refusals.WithLabelValues(directionNames[directionIn], "crowded_out").Inc()
		}
		t.work.Go(func() {
			in, err := t.welcome(raw)
			t.handshakes.remove(pending)
			if err != nil {
				t.turnAway(raw, err)
				return
			}
			in.run()
		})
	}
}

func (t *TCP) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.ctx.Done():
	}
}

func (t *TCP) turnAway(raw net.Conn, err error) {
	raw.Close()
	if t.ctx.Err() != nil {
		return
	}
	reason := handshakeReason(err)
	t.metrics.refusals.WithLabelValues(directionNames[directionIn], reason).Inc()
	t.complaints.say(complaint{reason, -1, 0}, "a connection was refused", err, slog.String(obs.KeyAddress, raw.RemoteAddr().String()))
}

// welcome finds out who connects.
func (t *TCP) welcome(raw net.Conn) (*incoming, error) {
	ctx, cancel := context.WithTimeout(t.ctx, handshakeTimeout)
	defer cancel()
	unhook := context.AfterFunc(ctx, func() { raw.Close() })
	w := &wire{Conn: raw}
	conn := tls.Server(w, t.opts.Identity.tlsConfig(t.opts.Chain, x509.ExtKeyUsageClientAuth, anyValidator))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	h, err := readHello(conn)
	if err != nil {
		return nil, err
	}
	_, certified, err := CertifiedAs(conn.ConnectionState().PeerCertificates[0])
	if err != nil {
		return nil, err
	}
	verdict, err := h.check(t.opts.Chain, t.opts.Self, certified)
	p := (*t.peers.Load())[certified]
	if err == nil && p == nil {
		verdict, err = refusedUnknown, t.known(certified)
	}
	if _, answerErr := conn.Write(t.hello(h.class, certified, verdict).encode()); err == nil {
		err = answerErr
	}
	if err == nil && !unhook() {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	p.epoch.Store(uint64(h.epoch))
	w.idleMax = t.opts.DeadAfter
	return newIncoming(t, p, h.class, w, conn), nil
}

// anyValidator lets every validator of the chain through TLS, so that one who is no peer can be told so in words.
func anyValidator(chain.ValidatorNo) error { return nil }

// known says Denied unless no is a peer now.
func (t *TCP) known(no chain.ValidatorNo) error {
	if (*t.peers.Load())[no] == nil {
		return fault.Reasoned(fault.Denied, refusedUnknown.reason(), "validator %d is no peer of this membership", no)
	}
	return nil
}
