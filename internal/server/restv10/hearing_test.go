// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// dialSocket opens a WebSocket over TCP.
func dialSocket(t *testing.T, addr string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := &peer{t, conn, bufio.NewReader(conn)}
	const ask = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	_, err = io.WriteString(conn, ask+"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	must(t, err)
	resp, err := http.ReadResponse(c.in, nil)
	must(t, err)
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455's example
		t.Fatal(resp.Status, resp.Header)
	}
	return c
}

// last reads up to the close frame, and checks that nothing follows it.
func (c *peer) last() string {
	c.t.Helper()
	for {
		op, payload, err := c.frame(time.Minute)
		if err != nil {
			c.t.Fatalf("no close frame: %v", err)
		}
		if op == opClose {
			if _, _, err := c.frame(time.Minute); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
				c.t.Errorf("more after the close frame: %v", err)
			}
			return string(payload)
		}
	}
}

// none waits until no socket is left.
func (w *world) none() {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); w.server.sockets.count() > 0; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatal("sockets are left")
		}
	}
	h := w.server.sockets
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready.mu.Lock()
	defer h.ready.mu.Unlock()
	if n := len(h.ready.known) + h.all; n != 0 {
		w.t.Errorf("%d are remembered", n)
	}
}

// TestSocketLeaves: whoever says a last word gets one, and whoever goes without is forgotten as well.
func TestSocketLeaves(t *testing.T) {
	w := start(t, nil)
	for name, c := range map[string]struct {
		say  []byte
		last string
	}{
		"with a code": {clientFrame(0x88, []byte("\x03\xe8bye")), "\x03\xe8"},
		"without":     {clientFrame(0x88, nil), ""},
		"not masked":  {[]byte{0x81, 0x00}, "\x03\xeaprotocol error"},
		"too long":    {[]byte{0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0}, "\x03\xf1message too large"},
		"too far":     {[]byte{0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "\x03\xf1message too large"},
		"no text":     {clientFrame(0x81, []byte{0xff}), "\x03\xeftext that is not UTF-8"},
	} {
		p := dialSocket(t, w.addr)
		_, err := p.conn.Write(c.say)
		must(t, err)
		if last := p.last(); last != c.last {
			t.Errorf("%s: %q, want %q", name, last, c.last)
		}
	}
	cut, reset := dialSocket(t, w.addr), dialSocket(t, w.addr)
	must(t, cut.conn.Close())
	tcp, _ := reset.conn.(*net.TCPConn)
	must(t, tcp.SetLinger(0))
	must(t, tcp.Close())
	w.none()
	if n := testutil.ToFloat64(w.server.metrics.closed.WithLabelValues(reasonClient)); n != 8 {
		t.Errorf("%v clients left, want 8", n)
	}
}

// TestSocketInPieces: what a client says is heard in whatever pieces it comes, also when it said more at once than is read at a time, and
// each in its order.
func TestSocketInPieces(t *testing.T) {
	w := start(t, nil)
	var group sync.WaitGroup
	for range 8 {
		p := dialSocket(t, w.addr)
		group.Go(func() {
			for _, b := range slices.Concat(clientFrame(0x01, []byte(`{"type":`)), clientFrame(0x89, []byte("now")), clientFrame(0x80, []byte(`"ping"}`))) {
				if _, err := p.conn.Write([]byte{b}); err != nil {
					t.Error(err)
				}
			}
			for op := byte(0); op != opPong; {
				var payload []byte
				if op, payload, _ = p.frame(time.Minute); op == 0 || op == opPong && string(payload) != "now" {
					t.Errorf("opcode %d %q", op, payload)
					return
				}
			}
			p.next("pong")
			long := `{"type":"` + strings.Repeat("x", 2*socketReadBytes-100) + `"}`
			p.say(long)
			p.next("error")
			p.say(`{"type":"ping"}`)
			p.next("pong")
		})
	}
	group.Wait()
}

// TestSocketSilent: one that says nothing, not even that it lives, is told so and closed; the others stay.
func TestSocketSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		silent, living := l.dial(t), l.dial(t)
		begin := time.Now()
		go func() {
			for range 5 {
				<-time.After(socketSilenceMax / 3)
				if _, err := living.conn.Write(clientFrame(0x8a, nil)); err != nil {
					return
				}
			}
		}()
		go func() { _, _ = io.Copy(io.Discard, living.in) }()
		if m, _ := silent.closing(0); m.Reason != reasonSilent || time.Since(begin) < socketSilenceMax || time.Since(begin) > socketSilenceMax+time.Second {
			t.Errorf("%+v after %s", m, time.Since(begin))
		}
		silent.last()
		<-time.After(socketSilenceMax)
		if n := w.server.sockets.count(); n != 1 {
			t.Errorf("%d are left, want 1", n)
		}
		w.finish(silent, living)
	})
}
