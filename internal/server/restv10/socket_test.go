// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
)

// pipes is a listener in memory, whose connections hold no byte: who does not read stalls at once.
type pipes struct{ accepted chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p.accepted
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error {
	defer func() { _ = recover() }() // it may be closed twice
	close(p.accepted)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// startPiped serves in memory, inside of a bubble. It returns the server, how to connect, and how to stop.
func startPiped(t *testing.T, change func(*Config)) (*world, pipes) {
	t.Helper()
	ledger := newFakeLedger("alice", "bob", "carol")
	guard, err := access.New(access.Config{Open: true}, access.Parts{})
	must(t, err)
	cfg := Config{Node: "node0", Network: "fake", DrainNotice: 10 * time.Millisecond, DrainGrace: time.Second}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, Parts{Desk: ledger, Reader: fakeReader{ledger}, Access: guard})
	must(t, err)
	p := pipes{make(chan net.Conn)}
	ctx, stop := context.WithCancel(t.Context())
	w := &world{t: t, ledger: ledger, server: s, stop: stop, ended: make(chan error, 1)}
	go func() { w.ended <- s.Serve(ctx, p) }()
	return w, p
}

// peer is a WebSocket client that reads only when it is told to.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (p pipes) dial(t *testing.T) *peer {
	t.Helper()
	here, there := net.Pipe()
	p.accepted <- there
	c := &peer{t, here, bufio.NewReader(here)}
	_, err := io.WriteString(here, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	must(t, err)
	resp, err := http.ReadResponse(c.in, nil)
	must(t, err)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp.Status)
	}
	return c
}

// say sends a message.
func (c *peer) say(text string) {
	c.t.Helper()
	frame := []byte{0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(frame[2:], uint16(len(text)))
	_, err := c.conn.Write(append(frame, text...)) // masked with zeros
	must(c.t, err)
}

// frame reads the next frame, within a time.
func (c *peer) frame(within time.Duration) (kind byte, text []byte, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(within))
	var head [4]byte
	if _, err := io.ReadFull(c.in, head[:2]); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	if n == 126 {
		if _, err := io.ReadFull(c.in, head[2:]); err != nil {
			return 0, nil, err
		}
		n = int(binary.BigEndian.Uint16(head[2:]))
	}
	text = make([]byte, n)
	_, err = io.ReadFull(c.in, text)
	return head[0] & 0x0f, text, err
}

// told is a message as a client sees it.
type told struct {
	Type, Channel, Error, Reason string
	Height, Resume               uint64
	Data                         json.RawMessage
}

// next is the next message of a type; others are passed over.
func (c *peer) next(kind string) (m told) {
	c.t.Helper()
	for {
		op, text, err := c.frame(time.Minute)
		if err != nil {
			c.t.Fatalf("no %s: %v", kind, err)
		}
		if op != 1 {
			continue
		}
		m = told{}
		must(c.t, json.Unmarshal(text, &m))
		if m.Type == kind {
			return m
		}
	}
}

// closing waits for the socket's last word, and says up to which height transactions came without a gap behind one.
func (c *peer) closing(behind uint64) (m told, newest uint64) {
	c.t.Helper()
	newest = behind
	for {
		op, text, err := c.frame(time.Minute)
		if err != nil {
			c.t.Fatalf("no closing: %v", err)
		}
		if op != 1 {
			continue
		}
		m = told{}
		must(c.t, json.Unmarshal(text, &m))
		switch m.Type {
		case "closing":
			return m, newest
		case "transactions":
			if m.Height != newest+1 {
				c.t.Errorf("height %d comes after %d", m.Height, newest)
			}
			newest = m.Height
		}
	}
}

func (w *world) pay(from, to string, units uint64) {
	w.t.Helper()
	if a := w.ledger.PayMany(w.t.Context(), []custody.Payment{{From: from, To: to, Amount: chain.Units(units)}})[0]; a.Err != nil {
		w.t.Fatal(a.Err)
	}
}

// finish ends a bubble's server and clients.
func (w *world) finish(peers ...*peer) {
	w.t.Helper()
	for _, p := range peers {
		_ = p.conn.Close()
	}
	w.stop()
	if err := <-w.ended; err != nil {
		w.t.Error(err)
	}
}

// TestSocketPushes: who says nothing gets what V10 pushed.
func TestSocketPushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		c := l.dial(t)
		begin := time.Now()
		for range 3 {
			if o := c.next("overview"); !strings.Contains(string(o.Data), `"validators":{"total":1`) {
				t.Errorf("%s", o.Data)
			}
			c.next("metrics")
		}
		if took := time.Since(begin); took < 2*socketPushInterval || took > 3*socketPushInterval {
			t.Errorf("three in %s", took)
		}
		c.say(`{"type":"ping"}`)
		c.next("pong")
		w.finish(c)
	})
}

// TestSocketFollows: from a height on, block by block, nothing left out; and only what was asked for.
func TestSocketFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		for n := range uint64(3) {
			w.pay("alice", "bob", n+1)
		}
		synctest.Wait()
		c := l.dial(t)
		c.say(`{"type":"subscribe","channel":"transactions","from_height":2}`)
		if m := c.next("subscribed"); m.Channel != "transactions" || m.Height != 2 {
			t.Errorf("%+v", m)
		}
		for h := uint64(2); h <= 3; h++ {
			if m := c.next("transactions"); m.Height != h || !strings.Contains(string(m.Data), `"from":"alice"`) {
				t.Errorf("%+v", m)
			}
		}
		begin := time.Now()
		w.pay("bob", "carol", 1)
		if m := c.next("transactions"); m.Height != 4 || time.Since(begin) > 2*socketTick {
			t.Errorf("%d after %s", m.Height, time.Since(begin))
		}
		other := l.dial(t)
		other.say(`{"type":"subscribe","channel":"accounts","accounts":["carol"],"from_height":1}`)
		if m := other.next("transactions"); m.Height != 4 || m.Channel != "accounts" {
			t.Errorf("%+v", m)
		}
		w.pay("alice", "bob", 1)
		w.pay("carol", "alice", 1)
		if m := other.next("transactions"); m.Height != 6 {
			t.Errorf("%+v", m)
		}
		c.say(`{"type":"unsubscribe","channel":"transactions"}`)
		c.next("unsubscribed")
		w.pay("alice", "bob", 1)
		c.say(`{"type":"ping"}`)
		if m := c.next("pong"); m.Type != "pong" {
			t.Error(m)
		}
		w.finish(c, other)
	})
}

// TestSocketRefuses what it does not know, and goes on.
func TestSocketRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		c := l.dial(t)
		for _, text := range []string{
			`nonsense`, `[]`, `{"type":"config_update"}`, `{"type":"subscribe"}`, `{"type":"subscribe","channel":"none"}`, `{"type":"subscribe","channel":"accounts"}`,
			`{"type":"subscribe","channel":"accounts","accounts":["nobody"]}`, `{"type":"subscribe","type":"ping"}`,
		} {
			c.say(text)
			if m := c.next("error"); m.Error == "" {
				t.Errorf("%s: %+v", text, m)
			}
		}
		w.finish(c)
	})
}

// TestSocketHeads: heads are conflated to one in each of a socket's windows, and the newest is sent.
func TestSocketHeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		c := l.dial(t)
		c.say(`{"type":"subscribe","channels":["blocks","consensus"]}`)
		c.next("subscribed")
		go func() {
			for range 100 {
				w.pay("alice", "bob", 1)
				<-time.After(20 * time.Millisecond)
			}
		}()
		begin, heads, last := time.Now(), 0, uint64(0)
		for last < 100 {
			m := c.next("block")
			if m.Height <= last {
				t.Errorf("%d after %d", m.Height, last)
			}
			// Under load the newest head goes out when the window begins: it is no older than a block.
			if now := uint64(time.Since(begin)/(20*time.Millisecond)) + 1; heads > 1 && last != 100 && now < 100 && m.Height+1 < now {
				t.Errorf("%d at %d", m.Height, now)
			}
			last, heads = m.Height, heads+1
			if c.next("consensus").Height != last {
				t.Error("who leads is not of the same head")
			}
		}
		if took := time.Since(begin); heads > int(took/socketHeadInterval)+2 || took > 3*time.Second {
			t.Errorf("%d heads in %s", heads, took)
		}
		w.finish(c)
	})
}

// TestSocketHeadAtOnce: after a pause everybody gets a head at once, and the next one when his window is over; the windows of many begin at
// different times.
func TestSocketHeadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		peers := make([]*peer, 100)
		for i := range peers {
			peers[i] = l.dial(t)
			peers[i].say(`{"type":"subscribe","channel":"blocks"}`)
			peers[i].next("subscribed")
		}
		<-time.After(3 * socketHeadInterval)
		begin := time.Now()
		w.pay("alice", "bob", 1)
		for _, c := range peers {
			if m := c.next("block"); m.Height != 1 || time.Since(begin) > socketTick {
				t.Errorf("height %d after %s", m.Height, time.Since(begin))
			}
		}
		w.pay("alice", "bob", 1)
		type late struct {
			height uint64
			after  time.Duration
		}
		got := make(chan late, len(peers))
		for _, c := range peers {
			go func() { got <- late{c.next("block").Height, time.Since(begin)} }()
		}
		at := map[time.Duration]int{}
		for range peers {
			g := <-got
			at[g.after.Round(socketTick)]++
			if g.height != 2 || g.after > socketHeadInterval+socketTick {
				t.Errorf("height %d after %s", g.height, g.after)
			}
		}
		if want := len(peers) / int(socketSlots); len(at) < int(socketSlots)-1 {
			t.Errorf("%d different times, want %d with %d each", len(at), socketSlots, want)
		}
		w.finish(peers...)
	})
}

// TestSocketReadsApart: whoever wants what takes long to read holds up nobody who does not.
func TestSocketReadsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		w.ledger.holdRead = make(chan struct{})
		follower, watcher, talker := l.dial(t), l.dial(t), l.dial(t)
		follower.say(`{"type":"subscribe","channel":"transactions"}`)
		follower.next("subscribed")
		watcher.say(`{"type":"subscribe","channel":"blocks"}`)
		watcher.next("subscribed")
		w.pay("alice", "bob", 1)
		begin := time.Now()
		if m := watcher.next("block"); m.Height != 1 {
			t.Errorf("%+v", m)
		}
		talker.say(`{"type":"ping"}`)
		talker.next("pong")
		if took := time.Since(begin); took > socketTick {
			t.Errorf("they waited %s", took)
		}
		close(w.ledger.holdRead)
		if m := follower.next("transactions"); m.Height != 1 {
			t.Errorf("%+v", m)
		}
		w.finish(follower, watcher, talker)
	})
}

// TestSocketEarly: what a client says before it is answered is heard.
func TestSocketEarly(t *testing.T) {
	w := start(t, nil)
	conn, err := net.Dial("tcp", w.addr)
	must(t, err)
	defer conn.Close()
	c := &peer{t, conn, bufio.NewReader(conn)}
	ask := `{"type":"subscribe","channel":"blocks"}`
	frame := append([]byte{0x81, 0x80 | byte(len(ask)), 0, 0, 0, 0}, ask...)
	_, err = conn.Write(append([]byte("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), frame...))
	must(t, err)
	resp, err := http.ReadResponse(c.in, nil)
	must(t, err)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp.Status)
	}
	if m := c.next("subscribed"); m.Channel != "blocks" {
		t.Errorf("%+v", m)
	}
}

// TestSocketPingFlood: who asks and takes no answers waits for nobody, holds up nobody, and is closed.
func TestSocketPingFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		flood, healthy := l.dial(t), l.dial(t)
		healthy.say(`{"type":"subscribe","channel":"transactions"}`)
		healthy.next("subscribed")
		go func() {
			for range 1000 {
				if _, err := flood.conn.Write([]byte{0x89, 0x80, 0, 0, 0, 0}); err != nil {
					return
				}
			}
		}()
		w.pay("alice", "bob", 1)
		begin := time.Now()
		if m := healthy.next("transactions"); m.Height != 1 || time.Since(begin) > socketTick {
			t.Errorf("height %d after %s", m.Height, time.Since(begin))
		}
		<-time.After(socketStallMax + socketLinger + 2*time.Second)
		if n := testutil.ToFloat64(w.server.metrics.closed.WithLabelValues("replies_not_taken")); n != 1 {
			t.Errorf("%v were closed", n)
		}
		w.finish(flood, healthy)
	})
}

// TestSocketTwoAccounts: a payment between two accounts that a socket follows is told once.
func TestSocketTwoAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		c := l.dial(t)
		c.say(`{"type":"subscribe","channel":"accounts","accounts":["alice","bob"]}`)
		c.next("subscribed")
		w.pay("alice", "bob", 1)
		var list []json.RawMessage
		must(t, json.Unmarshal(c.next("transactions").Data, &list))
		if len(list) != 1 {
			t.Errorf("%s", list)
		}
		w.finish(c)
	})
}

// TestSocketStalls: one that does not read delays nobody, and learns why it is closed and where to go on if it reads again in time.
func TestSocketStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		stalled, dead, healthy := l.dial(t), l.dial(t), l.dial(t)
		for _, c := range []*peer{stalled, dead, healthy} {
			c.say(`{"type":"subscribe","channel":"transactions"}`)
			c.next("subscribed")
		}
		for n := range uint64(20) {
			w.pay("alice", "bob", 1)
			begin := time.Now()
			if m := healthy.next("transactions"); m.Height != n+1 || time.Since(begin) > 2*socketTick {
				t.Errorf("height %d after %s", m.Height, time.Since(begin))
			}
		}
		<-time.After(socketStallMax + time.Second)
		if m := stalled.next("transactions"); m.Height != 1 { // it was on its way when the client stalled
			t.Errorf("%+v", m)
		}
		m, newest := stalled.closing(1)
		if m.Reason != reasonStalled || m.Resume != newest+1 { // a block more or less was on its way
			t.Errorf("%+v after height %d", m, newest)
		}
		op, text, err := stalled.frame(time.Second)
		if op != 8 || err != nil || !strings.Contains(string(text[2:]), fmt.Sprintf("stalled resume=%d", m.Resume)) {
			t.Errorf("%d %q %v", op, text, err)
		}
		<-time.After(socketLinger + time.Second)
		if _, _, err := dead.frame(time.Second); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("one that never reads again is still there: %v", err)
		}
		if n := testutil.ToFloat64(w.server.metrics.closed.WithLabelValues(reasonStalled)); n != 2 {
			t.Errorf("%v are counted as stalled", n)
		}
		// A client goes on where it was.
		again := l.dial(t)
		again.say(fmt.Sprintf(`{"type":"subscribe","channel":"transactions","resume":%d}`, m.Resume))
		for h := m.Resume; h <= 20; h++ {
			if got := again.next("transactions"); got.Height != h {
				t.Errorf("height %d, want %d", got.Height, h)
			}
		}
		w.finish(stalled, dead, healthy, again)
	})
}

// TestSocketGap: what retention let go is told, and the rest follows.
func TestSocketGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		for range 40 {
			w.pay("alice", "bob", 1)
		}
		w.ledger.pruned = 25
		synctest.Wait()
		c := l.dial(t)
		c.say(`{"type":"subscribe","channel":"transactions","from_height":1}`)
		covered := uint64(0)
		for covered < 25 {
			m := c.next("gap")
			var g gap
			must(t, json.Unmarshal(m.Data, &g))
			if g.From != covered+1 || g.To < g.From {
				t.Fatalf("%+v after %d", g, covered)
			}
			covered = g.To
		}
		for h := covered + 1; h <= 40; h++ {
			if m := c.next("transactions"); m.Height != h {
				t.Errorf("%d, want %d", m.Height, h)
			}
		}
		if covered != 25 {
			t.Errorf("the gap went to %d: what was there was left out", covered)
		}
		w.finish(c)
	})
}

// TestSocketsEnd: beyond the bound there is no room, and a server that goes says so.
func TestSocketsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, func(c *Config) { c.SocketsMax = 1 })
		c := l.dial(t)
		here, there := net.Pipe()
		l.accepted <- there
		_, err := io.WriteString(here, "GET /api/v10/ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(here), nil)
		must(t, err)
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Error(resp.Status)
		}
		_ = here.Close()
		w.stop()
		if m := c.next("closing"); m.Reason != "going_away" || m.Resume == 0 {
			t.Errorf("%+v", m)
		}
		w.finish(c)
	})
}

// TestSocketResume: who is cut off among several blocks that were read together resumes from the first that did not go out whole.
func TestSocketResume(t *testing.T) {
	for _, c := range []struct {
		sent int
		want chain.Height
	}{{0, 7}, {1, 7}, {2, 9}, {3, 9}, {4, 10}} {
		s := &socket{wants: wantTransactions, next: 10, blocks: []written{{7, 2}, {8, 2}, {9, 4}}, sent: c.sent} // block 8 has no frame
		if got := s.resume(); got != c.want {
			t.Errorf("%d frames sent: resume at %d, want %d", c.sent, got, c.want)
		}
	}
	if got := (&socket{wants: wantTransactions, next: 3, blocks: []written{{7, 2}}}).resume(); got != 3 { // it was put back meanwhile
		t.Errorf("resume at %d", got)
	}
}
