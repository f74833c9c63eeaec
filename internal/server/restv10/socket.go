// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lxzan/gws"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Codes with which a socket is closed (RFC 6455).
const (
	closeGoingAway = 1001
	closeTryLater  = 1013
)

// sessionKey is under which a connection knows its socket.
const sessionKey = "socket"

// socket is one client: what it wants, and how far it is. Its cursor on the chain is a height, not a queue.
type socket struct {
	sockets *sockets
	conn    *gws.Conn

	mu       sync.Mutex // guards all below
	wants    topics
	asked    bool // it subscribed to something: then it gets only that
	accounts map[chain.AccountNo]string
	next     chain.Height // of transactions and accounts, the next one to send
	headSent chain.Height
	headDue  time.Time
	pushDue  time.Time
	pingDue  time.Time
	replies  [][]byte
	writing  bool
	since    time.Time // when what is being written was begun
	doomed   string    // why it is to be closed, once it takes something again
	cut      bool      // it stalls, and has socketLinger left
	ended    bool
}

// topics are channels that can be subscribed to.
type topics uint8

const (
	wantTransactions topics = 1 << iota
	wantAccounts
	wantBlocks
	wantConsensus
	wantMetrics

	onChain = wantTransactions | wantAccounts
)

func wantsUpgrade(h http.Header) bool {
	return strings.EqualFold(h.Get("Upgrade"), "websocket") && strings.Contains(strings.ToLower(h.Get("Connection")), "upgrade")
}

// due reports whether the socket has something to send and nobody writes; then the caller is to write. One that has taken too
// long for a message is doomed.
func (s *socket) due(now time.Time, head chain.Height) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing {
		if !s.cut && now.Sub(s.since) > socketStallMax {
			s.cut, s.doomed = true, cmp.Or(s.doomed, reasonStalled)
			_ = s.conn.NetConn().SetWriteDeadline(now.Add(socketLinger))
		}
		return false
	}
	if s.ended || s.take(now, head, true) == nothing {
		return false
	}
	s.writing, s.since = true, now
	return true
}

// task is what a socket has to do next.
type task uint8

const (
	nothing task = iota
	doClose
	doReply
	doChain
	doHead
	doPush
	doPing
)

// take says what is to be done next, and notes that it is done unless it only looks.
func (s *socket) take(now time.Time, head chain.Height, look bool) task {
	switch {
	case s.doomed != "":
		return doClose
	case len(s.replies) > 0:
		return doReply
	case s.wants&onChain != 0 && s.next <= head:
		return doChain
	case s.wants&(wantBlocks|wantConsensus) != 0 && head > s.headSent && !now.Before(s.headDue):
		if !look {
			s.headSent, s.headDue = head, spread(now)
		}
		return doHead
	case (!s.asked || s.wants&wantMetrics != 0) && !now.Before(s.pushDue):
		if !look {
			s.pushDue = now.Add(socketPushInterval)
		}
		return doPush
	case !now.Before(s.pingDue):
		if !look {
			s.pingDue = now.Add(socketPingInterval)
		}
		return doPing
	}
	return nothing
}

// write sends all that is due, until there is nothing more or the client is gone.
func (s *socket) write(ctx context.Context) {
	for {
		s.mu.Lock()
		now := time.Now()
		head := chain.Height(s.sockets.head.Load())
		do := s.take(now, head, false)
		if do == nothing || s.ended {
			s.writing = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if err := s.do(ctx, do, head); err != nil {
			s.fail(err)
			return
		}
	}
}

func (s *socket) do(ctx context.Context, do task, head chain.Height) error {
	switch do {
	case doReply:
		s.mu.Lock()
		text := s.replies[0]
		s.replies = s.replies[1:]
		s.mu.Unlock()
		return s.send(text)
	case doChain:
		return s.sendChain(ctx)
	case doHead:
		return s.sendHead(ctx, head)
	case doPush:
		return s.push(ctx)
	case doPing:
		return s.conn.WritePing(nil)
	}
	return errDoomed
}

// errDoomed ends the writing of a client that has stalled.
var errDoomed = fault.Reasoned(fault.TryLater, reasonStalled, "the client did not take its messages in time")

// send writes a message. It waits for the client: whoever looks after the sockets ends the wait.
func (s *socket) send(text []byte) error {
	s.mu.Lock()
	s.since = time.Now()
	s.mu.Unlock()
	return s.conn.WriteMessage(gws.OpcodeText, text)
}

// fail closes a socket that cannot go on.
func (s *socket) fail(err error) {
	reason := fault.ReasonOf(err)
	s.mu.Lock()
	reason = cmp.Or(s.doomed, reason)
	s.mu.Unlock()
	s.end(closeTryLater, reason, socketLinger)
}

// end closes the socket with a reason and the height from which the client can resume. It may be called again.
func (s *socket) end(code uint16, reason string, linger time.Duration) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended, s.writing = true, false
	resume := s.resume()
	s.mu.Unlock()
	s.sockets.server.metrics.closed.WithLabelValues(reason).Inc()
	_ = s.conn.NetConn().SetWriteDeadline(time.Now().Add(linger))
	_ = s.send(closingMessage(reason, resume)) // who is gone hears nothing
	_ = s.conn.WriteClose(code, closeReason(reason, resume))
}

// resume is the height of the first block that the client may not have seen.
func (s *socket) resume() chain.Height {
	if s.wants&onChain != 0 {
		return s.next
	}
	return s.headSent + 1
}

// reply queues an answer to the client.
func (s *socket) reply(text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.replies) >= socketRepliesMax {
		s.doomed = "replies_not_taken"
		return
	}
	s.replies = append(s.replies, text)
}

// events is what the WebSocket library calls.
type events struct{ sockets *sockets }

// OnOpen begins a socket: until it subscribes it gets what V10 pushed.
func (e events) OnOpen(c *gws.Conn) {
	now := time.Now()
	s := &socket{sockets: e.sockets, conn: c, pushDue: now, pingDue: now.Add(socketPingInterval), headDue: now}
	c.Session().Store(sessionKey, s)
	_ = c.SetReadDeadline(now.Add(socketSilenceMax))
	if !e.sockets.add(s) {
		s.end(closeGoingAway, reasonGoing, socketGoingLinger)
	}
}

// OnClose ends it.
func (e events) OnClose(c *gws.Conn, _ error) {
	s := socketOf(c)
	if s == nil {
		return
	}
	s.mu.Lock()
	gone := !s.ended
	s.ended = true
	s.mu.Unlock()
	if gone {
		e.sockets.server.metrics.closed.WithLabelValues("client").Inc()
	}
	e.sockets.remove(s)
}

// OnPing answers a ping.
func (e events) OnPing(c *gws.Conn, payload []byte) {
	_ = c.SetReadDeadline(time.Now().Add(socketSilenceMax))
	_ = c.WritePong(payload) // who does not take it is noticed by the reader
}

// OnPong hears that the client lives.
func (e events) OnPong(c *gws.Conn, _ []byte) {
	_ = c.SetReadDeadline(time.Now().Add(socketSilenceMax))
}

// OnMessage does what a client asks for.
func (e events) OnMessage(c *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }() // its memory goes back
	_ = c.SetReadDeadline(time.Now().Add(socketSilenceMax))
	if s := socketOf(c); s != nil {
		s.asks(m.Bytes())
	}
}

func socketOf(c *gws.Conn) *socket {
	v, _ := c.Session().Load(sessionKey)
	s, _ := v.(*socket)
	return s
}
