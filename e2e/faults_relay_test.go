// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"io"
	stdnet "net" // net is a network here
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A relay takes TCP connections for an address and passes on what comes, in both directions, each piece after a delay. It is a
// long line: it delays, and keeps the order and the throughput.
type relay struct {
	listener stdnet.Listener
	to       string
	delay    atomic.Int64 // time.Duration of each direction
	work     sync.WaitGroup

	mu   sync.Mutex // guards what follows
	open map[stdnet.Conn]bool
	over bool
}

// Bounds of a direction of one connection: what is under way in it.
const (
	pieceBytes = 64 << 10
	piecesMax  = 256
)

// newRelay listens on a free port of this machine.
func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := stdnet.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, to: to, open: map[stdnet.Conn]bool{}}
	r.work.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) close() {
	_ = r.listener.Close() // nothing was written to it
	r.mu.Lock()
	r.over = true
	for c := range r.open {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.work.Wait()
}

// keep notes a connection, so that close can end it; false if close has begun.
func (r *relay) keep(c stdnet.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		_ = c.Close()
		return false
	}
	r.open[c] = true
	return true
}

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.work.Go(func() { r.join(near) })
	}
}

// join connects a caller with the other end until one of them ends.
func (r *relay) join(near stdnet.Conn) {
	far, err := stdnet.Dial("tcp", r.to)
	if err != nil {
		_ = near.Close() // the caller sees that nobody is there
		return
	}
	if r.keep(near) && r.keep(far) {
		var ways sync.WaitGroup
		ways.Go(func() { r.carry(far, near) })
		ways.Go(func() { r.carry(near, far) })
		ways.Wait()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range []stdnet.Conn{near, far} {
		_ = c.Close()
		delete(r.open, c)
	}
}

// piece is what was read at once, and when it is due at the other end. Without bytes it is the end of what was sent.
type piece struct {
	bytes []byte
	due   time.Time
}

// carry passes one direction on.
func (r *relay) carry(to, from stdnet.Conn) {
	line := make(chan piece, piecesMax)
	r.work.Go(func() {
		defer close(line)
		for {
			b := make([]byte, pieceBytes)
			n, err := from.Read(b)
			line <- piece{b[:n], time.Now().Add(time.Duration(r.delay.Load()))}
			if err != nil {
				return
			}
		}
	})
	var broken error
	for p := range line { // to its end also when broken, for the reader's sake
		if broken != nil {
			continue
		}
		<-time.After(time.Until(p.due))
		if _, broken = to.Write(p.bytes); broken != nil {
			_ = from.Close() // the reader has nobody to read for
		}
	}
	if broken == nil {
		_ = to.(*stdnet.TCPConn).CloseWrite()
	}
}

// What goes in comes out, whole, in order and late.
func TestRelay(t *testing.T) {
	l, err := stdnet.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // echoes until the test ends
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, err = io.Copy(c, c)
			_ = errors.Join(err, c.Close())
		}
	}()
	r := newRelay(t, l.Addr().String())
	r.delay.Store(int64(30 * time.Millisecond))
	c, err := stdnet.Dial("tcp", r.address())
	if err != nil {
		t.Fatal(err)
	}
	sent := make([]byte, 3*pieceBytes+17)
	for i := range sent {
		sent[i] = byte(i * i >> 5)
	}
	begin := time.Now()
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := c.(*stdnet.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if took := time.Since(begin); err != nil || string(got) != string(sent) || took < 60*time.Millisecond {
		t.Errorf("%d of %d bytes after %s: %v", len(got), len(sent), took, err)
	}
}
