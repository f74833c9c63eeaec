// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"time"

	"github.com/lxzan/gws"
)

// session holds the one thing that a connection must know of: its socket. The library's own is a map for each.
type session struct{ socket *socket }

// Len implements gws.SessionStorage.
func (s *session) Len() int { return 1 }

// Load is the socket, whatever the key.
func (s *session) Load(string) (any, bool) { return s.socket, s.socket != nil }

// Delete implements gws.SessionStorage.
func (s *session) Delete(string) {}

// Store notes the socket.
func (s *session) Store(_ string, v any) { s.socket, _ = v.(*socket) }

// Range implements gws.SessionStorage.
func (s *session) Range(func(string, any) bool) {}

func socketOf(c *gws.Conn) *socket {
	v, _ := c.Session().Load("")
	s, _ := v.(*socket)
	return s
}

// quiet drops what the library would print: a client's faults are counted, not logged.
type quiet struct{}

// Error drops it.
func (quiet) Error(...any) {}

// events is what the WebSocket library calls, in the goroutine that reads a connection. None of them writes: who only sends pings
// waits for nobody, and nobody for him.
type events struct{ sockets *sockets }

// OnOpen begins a socket: until it subscribes it gets what V10 pushed.
func (e events) OnOpen(c *gws.Conn) {
	now := e.sockets.now()
	w, _ := c.NetConn().(*wire)
	s := &socket{sockets: e.sockets, conn: c, wire: w, window: -1, pushDue: now, pingDue: now + socketPingInterval}
	c.Session().Store("", s)
	_ = c.SetReadDeadline(time.Now().Add(socketSilenceMax))
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
	if s := socketOf(c); s != nil {
		s.reply(frameOf(opPong, payload))
	}
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
