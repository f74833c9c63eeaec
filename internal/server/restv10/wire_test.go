// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// tcpPair is a connection whose kernel buffers are small.
func tcpPair(t *testing.T) (here, there *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	accepted, err := l.Accept()
	must(t, err)
	here, _ = accepted.(*net.TCPConn)
	there, _ = dialed.(*net.TCPConn)
	must(t, here.SetWriteBuffer(32<<10))
	must(t, there.SetReadBuffer(32<<10))
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	return here, there
}

// TestWireKeepsOrder: however much the client takes at once, and whoever else writes between, whole frames arrive, one after the other.
func TestWireKeepsOrder(t *testing.T) {
	here, there := tcpPair(t)
	w := newWire(&edgeConn{Conn: here})
	if w.raw == nil {
		t.Fatal("it does not find the socket below")
	}
	random := rand.New(rand.NewPCG(1, 2))
	var want bytes.Buffer
	got := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(&slowReader{there, random})
		got <- all
	}()
	partly := 0
	for n := range 150 {
		frames := make([][]byte, 1+n%4)
		for i := range frames {
			frames[i] = frameOf(opText, bytes.Repeat([]byte{byte(n)}, 1+n*n%30_000))
			want.Write(frames[i])
		}
		left, done, err := w.put(frames)
		must(t, err)
		if done {
			continue
		}
		if len(w.rest) > 0 {
			partly++
		}
		for _, f := range append([][]byte{nil}, left...) {
			_, err := w.Write(f)
			must(t, err)
		}
	}
	must(t, here.CloseWrite())
	if all := <-got; !bytes.Equal(all, want.Bytes()) {
		t.Errorf("%d bytes arrived, %d were sent, or in another order", len(all), want.Len())
	}
	if partly == 0 {
		t.Error("no frame was cut: the test shows nothing")
	}
}

// slowReader reads a little at a time.
type slowReader struct {
	net.Conn
	random *rand.Rand
}

func (r *slowReader) Read(p []byte) (int, error) {
	if r.random.IntN(50) == 0 {
		<-time.After(time.Millisecond)
	}
	return r.Conn.Read(p[:min(len(p), 1+r.random.IntN(20_000))])
}

// TestWireBreaks: after a write that failed within a frame nothing else is written, for the client could not tell where it begins.
func TestWireBreaks(t *testing.T) {
	here, there := tcpPair(t)
	w := newWire(here)
	big := frameOf(opText, make([]byte, 8<<20))
	left, done, err := w.put([][]byte{big})
	if done || err != nil || len(left) != 0 || len(w.rest) == 0 {
		t.Fatalf("%d left, done %v, %v", len(left), done, err)
	}
	must(t, w.SetWriteDeadline(time.Now().Add(10*time.Millisecond)))
	if _, err := w.Write(nil); err == nil {
		t.Fatal("8 MiB went into small buffers")
	}
	must(t, w.SetWriteDeadline(time.Time{}))
	closing := frameOf(opText, []byte("closing"))
	if _, err := w.Write(closing); err == nil {
		t.Error("it went on within a frame")
	}
	if _, _, err := w.put([][]byte{closing}); err == nil {
		t.Error("it went on within a frame")
	}
	must(t, here.Close())
	all, _ := io.ReadAll(there)
	if bytes.Contains(all, []byte("closing")) {
		t.Error("it went on within a frame")
	}
}

// TestFrames have the three forms of a length.
func TestFrames(t *testing.T) {
	for n, head := range map[int]string{
		0: "\x81\x00", 125: "\x81\x7d", 126: "\x81\x7e\x00\x7e", 0xffff: "\x81\x7e\xff\xff", 0x10000: "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
	} {
		if f := frameOf(opText, make([]byte, n)); string(f[:len(f)-n]) != head {
			t.Errorf("%d: % x", n, f[:len(f)-n])
		}
	}
}
