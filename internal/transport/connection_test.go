// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/transport"
	"github.com/aurigraph/aurigraph/internal/transport/transporttest"
)

// gate is a receiver that does not read until it is opened.
type gate struct {
	transporttest.Inbox
	open    chan struct{}
	entered chan struct{}
	once    sync.Once
	inside  atomic.Int32
	crowd   atomic.Bool // two calls at once
}

func newGate() *gate { return &gate{open: make(chan struct{}), entered: make(chan struct{})} }

func (g *gate) Frame(from chain.ValidatorNo, class transport.Class, kind uint8, bytes int, r io.Reader) error {
	g.once.Do(func() { close(g.entered) })
	if g.inside.Add(1) > 1 {
		g.crowd.Store(true)
	}
	defer g.inside.Add(-1)
	<-g.open
	return g.Inbox.Frame(from, class, kind, bytes, r)
}

// TestSlowReader offers far more than a peer takes: memory stays bounded, nobody is taken for dead, nothing that was
// accepted is lost.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	slow := newGate()
	from, _ := pair(t, slow, nil)
	body := make([]byte, transport.SyncBytesMax/4)
	heap := heapBytes()
	limits := transport.DefaultLimits(transport.Batches)
	accepted, refused, full := 0, 0, time.Time{}
	until(t, func() bool {
		binary.LittleEndian.PutUint32(body, uint32(accepted))
		switch err := from.Send(1, transport.Batches, 1, body); {
		case err == nil:
			accepted++
		case fault.ReasonOf(err) != "queue_full":
			t.Fatal(err)
		default:
			refused++
		}
		s := from.Status()[0].Classes[transport.Batches]
		if s.QueueBytes > limits.Bytes {
			t.Fatalf("%d bytes are queued", s.QueueBytes)
		}
		if full.IsZero() && refused > 100 {
			full = s.SendingSince
		}
		// Well beyond the time in which silence would be death.
		return !full.IsZero() && time.Since(full) > 2*deadAfter
	})
	if grown := heapBytes() - heap; grown > limits.Bytes+8<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if s := from.Status()[0].Classes[transport.Batches]; s.Reconnects != 0 || s.SendingSince != full {
		t.Errorf("a slow peer was taken for dead: %+v", s)
	}
	close(slow.open)
	at := transporttest.Seat{From: 0, Class: transport.Batches}
	until(t, func() bool { return slow.Count(at) == accepted })
	for i, f := range slow.Frames(at) {
		if got := binary.LittleEndian.Uint32(f.Body); got != uint32(i) {
			t.Fatalf("frame %d is number %d", i, got)
		}
	}
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSlowVoter has a peer that does not read votes: it gets the newest.
func TestSlowVoter(t *testing.T) {
	slow := newGate()
	from, _ := pair(t, slow, nil)
	vote := make([]byte, 1000)
	last, dropped := uint32(0), uint64(0)
	until(t, func() bool {
		for range 1000 {
			last++
			binary.LittleEndian.PutUint32(vote, last)
			if err := from.Send(1, transport.Consensus, 1, vote); err != nil {
				t.Fatal(err)
			}
		}
		dropped = from.Status()[0].Classes[transport.Consensus].Dropped
		return dropped > 20_000
	})
	close(slow.open)
	at := transporttest.Seat{From: 0, Class: transport.Consensus}
	newest := func() uint32 {
		all := slow.Frames(at)
		if len(all) == 0 {
			return 0
		}
		return binary.LittleEndian.Uint32(all[len(all)-1].Body)
	}
	until(t, func() bool { return newest() == last })
	if got := slow.Count(at); uint64(got)+from.Status()[0].Classes[transport.Consensus].Dropped != uint64(last) {
		t.Errorf("%d came and %d were dropped of %d", got, dropped, last)
	}
}

// TestRestart stops a peer and starts it again at its address.
func TestRestart(t *testing.T) {
	t.Parallel()
	first := &transporttest.Inbox{}
	registry := prometheus.NewRegistry()
	from, to := pair(t, first, func(o *transport.Options) {
		if o.Self == 0 {
			o.Metrics = registry
		}
	})
	at := transporttest.Seat{From: 0, Class: transport.Batches}
	send := func(box *transporttest.Inbox, text string) {
		until(t, func() bool {
			from.Send(1, transport.Batches, 1, []byte(text))
			all := box.Frames(at)
			return len(all) > 0 && string(all[len(all)-1].Body) == text
		})
	}
	send(first, "first life")
	address := to.Address()
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return fault.ReasonOf(from.Send(1, transport.Batches, 1)) == "disconnected" })

	second := &transporttest.Inbox{}
	o := options(t, 1)
	o.Address = address
	again := listen(t, o)
	setPeers(t, again, peerOf(0, from))
	start(t, again, second)
	send(second, "second life")
	if n := metric(t, registry, "reconnects_total", "class=batches"); n != 1 {
		t.Errorf("%v reconnects", n)
	}
	if n := metric(t, registry, "drops_total", "class=batches", "reason=disconnected"); n == 0 {
		t.Error("no drop was counted")
	}
}

// wall is a proxy that can stop passing anything on while its connections stay open: a peer without power.
type wall struct {
	listener net.Listener
	target   string
	work     sync.WaitGroup

	mu     sync.Mutex
	shut   bool
	conns  []net.Conn
	passed *sync.Cond
}

func newWall(t testing.TB, target string) *wall {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wall{listener: l, target: target}
	w.passed = sync.NewCond(&w.mu)
	w.work.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

func (w *wall) accept() {
	for {
		in, err := w.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", w.target)
		if err != nil {
			in.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, in, out)
		w.mu.Unlock()
		w.work.Go(func() { w.pass(in, out) })
		w.work.Go(func() { w.pass(out, in) })
	}
}

func (w *wall) pass(from, to net.Conn) {
	defer to.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		w.mu.Lock()
		for w.shut {
			w.passed.Wait()
		}
		w.mu.Unlock()
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (w *wall) setShut(shut bool) {
	w.mu.Lock()
	w.shut = shut
	w.passed.Broadcast()
	w.mu.Unlock()
}

func (w *wall) close() {
	w.listener.Close()
	w.setShut(false)
	w.mu.Lock()
	for _, c := range w.conns {
		c.Close()
	}
	w.mu.Unlock()
	w.work.Wait()
}

// TestHalfOpen has a peer that falls silent with its connections open. Both sides notice, and connect again.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	inbox, lines := &transporttest.Inbox{}, &logLines{}
	registry := prometheus.NewRegistry()
	o := options(t, 1)
	o.Metrics = registry
	to := listen(t, o)
	w := newWall(t, to.Address())
	o = options(t, 0)
	o.Log = lines.logger()
	from := listen(t, o)
	setPeers(t, from, transport.Peer{No: 1, Address: w.listener.Addr().String()})
	setPeers(t, to, peerOf(0, from))
	start(t, to, inbox)
	start(t, from, &transporttest.Inbox{})
	connected := func() bool {
		for _, s := range from.Status()[0].Classes {
			if s.SendingSince.IsZero() || s.RoundTrip == 0 {
				return false
			}
		}
		return true
	}
	until(t, connected)
	w.setShut(true)
	until(t, func() bool {
		return !connected() && metric(t, registry, "failures_total", "reason=silent") == float64(transport.ClassCount)
	})
	until(t, func() bool { return lines.count("the peer is silent") > 0 })
	w.setShut(false)
	until(t, connected)
	until(t, func() bool {
		return from.Send(1, transport.Sync, 1, []byte("again")) == nil && len(inbox.All()) > 0
	})
}

// TestKeysWearOut changes keys every few records. Nothing is lost or out of order, and a receiver that is slow is waited for.
func TestKeysWearOut(t *testing.T) {
	slow := newGate()
	from, _ := pair(t, slow, func(o *transport.Options) { o.SetRecordsMax(20) })
	const frames = 500
	for i := range frames {
		body := fmt.Appendf(nil, "%d%5000d", i, i)
		until(t, func() bool { return from.Send(1, transport.Batches, 1, body) == nil })
		if i == 100 {
			<-slow.entered
			polls := 0
			until(t, func() bool { polls++; return polls > 50 })
			if s := from.Status()[0].Classes[transport.Batches]; s.Reconnects != 0 {
				t.Fatalf("the keys changed before all was read: %+v", s)
			}
			close(slow.open)
		}
		if i > 100 && i%7 == 0 {
			until(t, func() bool { return from.Status()[0].Classes[transport.Batches].QueueBytes == 0 })
		}
	}
	at := transporttest.Seat{From: 0, Class: transport.Batches}
	until(t, func() bool { return slow.Count(at) == frames })
	for i, f := range slow.Frames(at) {
		if want := fmt.Sprintf("%d%5000d", i, i); string(f.Body) != want {
			t.Fatalf("frame %d is %.20q", i, f.Body)
		}
	}
	if s := from.Status()[0].Classes[transport.Batches]; s.Reconnects < 5 || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

// TestMove changes a peer's address.
func TestMove(t *testing.T) {
	boxes := []*transporttest.Inbox{{}, {}}
	from, first := pair(t, boxes[0], nil)
	second := listen(t, options(t, 1))
	setPeers(t, second, peerOf(0, from))
	start(t, second, boxes[1])
	for i, to := range []*transport.TCP{first, second} {
		setPeers(t, from, peerOf(1, to))
		until(t, func() bool {
			return from.Send(1, transport.Sync, uint8(1+i), []byte("x")) == nil && len(boxes[i].All()) > 0
		})
	}
	if f := boxes[1].All()[0]; f.Kind != 2 {
		t.Errorf("%+v", f)
	}
}

// member connects as validator 1 by hand.
func member(t testing.TB, node *transport.TCP, class transport.Class) *tls.Conn {
	t.Helper()
	conn, answer, err := knock(node.Address(), strangerConfig(identity(t, authority(), testChain, 1).Certificate), helloWith(func(h *transport.Hello) { h.Class = class }))
	if verdict, bad := transport.Verdict(answer); err != nil || bad != nil || verdict != "" {
		t.Fatalf("%v %v %q", err, bad, verdict)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func rawFrame(length uint32, kind uint8, body string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, length)
	return append(append(b, kind), body...)
}

// TestMalformedFrames has a validator send what it may not: that connection ends, and no other.
func TestMalformedFrames(t *testing.T) {
	registry, inbox := prometheus.NewRegistry(), &transporttest.Inbox{}
	o := options(t, 0)
	o.Metrics = registry
	node := listen(t, o)
	setPeers(t, node, transport.Peer{No: 1, Address: "127.0.0.1:1"})
	start(t, node, inbox)
	other := member(t, node, transport.Sync)
	counted := map[string]int{}
	for _, c := range []struct {
		bytes  []byte
		reason string
	}{
		{rawFrame(transport.ConsensusBytesMax+1, 1, ""), "frame_oversized"},
		{rawFrame(1<<32-1, 1, ""), "frame_oversized"},
		{rawFrame(7, 0, "1234567"), "frame_malformed"},
		{rawFrame(5, 1, "1234"), "connection_lost"},
		{[]byte{1, 0}, "connection_lost"},
	} {
		conn := member(t, node, transport.Consensus)
		if _, err := conn.Write(append(rawFrame(2, 3, "ok"), c.bytes...)); err != nil {
			t.Fatal(err)
		}
		if c.reason == "connection_lost" {
			conn.CloseWrite()
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Log(err)
		}
		counted[c.reason]++
		until(t, func() bool {
			return metric(t, registry, "failures_total", "class=consensus", "reason="+c.reason) == float64(counted[c.reason])
		})
	}
	if n := inbox.Count(transporttest.Seat{From: 1, Class: transport.Consensus}); n != 5 {
		t.Errorf("%d whole frames came", n)
	}
	if _, err := other.Write(rawFrame(2, 3, "ok")); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return inbox.Count(transporttest.Seat{From: 1, Class: transport.Sync}) == 1 })
}

// TestSeat connects a peer again while its first frame is still being read: the connection before ends, and the last is read after it.
func TestSeat(t *testing.T) {
	slow := newGate()
	registry := prometheus.NewRegistry()
	o := options(t, 0)
	o.Metrics = registry
	node := listen(t, o)
	setPeers(t, node, transport.Peer{No: 1, Address: "127.0.0.1:1"})
	start(t, node, slow)
	first := member(t, node, transport.Sync)
	if _, err := first.Write(rawFrame(5, 1, "first")); err != nil {
		t.Fatal(err)
	}
	<-slow.entered
	before := first
	for _, text := range []string{"secnd", "third"} {
		conn := member(t, node, transport.Sync)
		if _, err := conn.Write(rawFrame(5, 1, text)); err != nil {
			t.Fatal(err)
		}
		// Only the seat's taker ends it, so what follows is seated later, however slow the machine is.
		if _, err := io.Copy(io.Discard, before); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the connection before %q was not ended", text)
		}
		before = conn
	}
	close(slow.open)
	until(t, func() bool {
		all := slow.All()
		return len(all) > 0 && string(all[len(all)-1].Body) == "third"
	})
	until(t, func() bool { return metric(t, registry, "connections", "direction=in", "class=sync") == 1 })
	if slow.crowd.Load() {
		t.Error("two frames of one sender and class were read at once")
	}
}

// TestSyncIsLimited sends five times what the bucket holds over the slowest link.
func TestSyncIsLimited(t *testing.T) {
	const link = 20 << 20
	inbox := &transporttest.Inbox{}
	from, _ := pair(t, inbox, func(o *transport.Options) { o.LinkBytesPerSecond = link })
	until(t, func() bool { return !from.Status()[0].Classes[transport.Sync].SendingSince.IsZero() })
	began := time.Now()
	const frames = 5
	for range frames {
		until(t, func() bool { return from.Send(1, transport.Sync, 1, make([]byte, transport.SyncBytesMax)) == nil })
	}
	until(t, func() bool { return len(inbox.All()) == frames })
	if took, least := time.Since(began), time.Second*(frames-1)*transport.SyncBytesMax/link; took < least {
		t.Errorf("%d MiB took %v, at least %v", frames, took, least)
	}
}

// TestTogether has all validators send while their peers change, and closes them in the middle of it.
func TestTogether(t *testing.T) {
	const nodes = 3
	var all []*transport.TCP
	var peers []transport.Peer
	for i := range nodes {
		n := listen(t, options(t, chain.ValidatorNo(i)))
		all, peers = append(all, n), append(peers, peerOf(chain.ValidatorNo(i), n))
	}
	var received [nodes]int
	boxes := make([]*transporttest.Inbox, nodes)
	for i, n := range all {
		boxes[i] = &transporttest.Inbox{}
		setPeers(t, n, peers...)
		start(t, n, boxes[i])
	}
	var work sync.WaitGroup
	stop := make(chan struct{})
	body := transporttest.NewBody(make([]byte, 10_000))
	for i, n := range all {
		for class := range transport.ClassCount {
			work.Go(func() {
				for k := 0; ; k++ {
					select {
					case <-stop:
						return
					default:
					}
					to := chain.ValidatorNo((i + 1 + k%2) % nodes)
					body.Retain()
					if n.SendOwned(to, class, 1, []byte("head"), body) != nil {
						body.Release()
						runtime.Gosched()
					}
				}
			})
		}
	}
	for k := range 20 {
		setPeers(t, all[0], peers[:2+k%2]...)
		before := len(boxes[1].All())
		until(t, func() bool { return len(boxes[1].All()) > before })
	}
	for i := range boxes {
		received[i] = len(boxes[i].All())
	}
	for _, n := range all {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	work.Wait()
	if body.References() != 1 {
		t.Errorf("%d references are left after all is closed", body.References()-1)
	}
	t.Log("received", received)
}
