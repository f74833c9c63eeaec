// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// Seat is a sender and class, as a receiver sees them.
type Seat struct {
	From  chain.ValidatorNo
	Class transport.Class
}

// Frame is one that an Inbox received. Bytes is how long it said to be.
type Frame struct {
	Seat
	Kind  uint8
	Bytes int
	Body  []byte
}

// Inbox is a Receiver that keeps what comes.
type Inbox struct {
	mu       sync.Mutex
	frames   []Frame       // guarded by mu
	readMax  int           // guarded by mu; 0 = all
	failNext map[Seat]bool // guarded by mu
	failures int           // guarded by mu
	inside   map[Seat]bool // guarded by mu
}

// Frame implements transport.Receiver. It breaks an invariant if it is called twice at once for a seat.
func (b *Inbox) Frame(from chain.ValidatorNo, class transport.Class, kind uint8, bytes int, r io.Reader) error {
	at := Seat{from, class}
	read, fail := b.enter(at, bytes)
	body := make([]byte, read)
	_, err := io.ReadFull(r, body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inside[at] = false
	if fail {
		b.failures++
		return errors.New("the test does not want it")
	}
	if err == nil {
		b.frames = append(b.frames, Frame{at, kind, bytes, body})
	}
	return err
}

func (b *Inbox) enter(at Seat, bytes int) (read int, fail bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fault.Invariant(!b.inside[at], "two frames of %+v at once", at)
	if b.inside == nil {
		b.inside = map[Seat]bool{}
	}
	b.inside[at] = true
	if read = bytes; b.readMax > 0 {
		read = min(read, b.readMax)
	}
	fail = b.failNext[at]
	delete(b.failNext, at)
	return read, fail
}

// Frames are those of a sender and class, in order.
func (b *Inbox) Frames(at Seat) []Frame {
	return slices.DeleteFunc(b.All(), func(f Frame) bool { return f.Seat != at })
}

// Count is how many frames of a sender and class came.
func (b *Inbox) Count(at Seat) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.frames {
		if b.frames[i].Seat == at {
			n++
		}
	}
	return n
}

// All are all frames, in order.
func (b *Inbox) All() []Frame {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.frames)
}

// SetReadMax makes the inbox read no more than n bytes of each body.
func (b *Inbox) SetReadMax(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readMax = n
}

// FailOnce makes the next frame of a seat an error.
func (b *Inbox) FailOnce(at Seat) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failNext = map[Seat]bool{at: true}
}

// Failures is how often it failed so.
func (b *Inbox) Failures() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures
}

// Body is a transport.Body that counts its references, from 1.
type Body struct {
	bytes []byte
	refs  atomic.Int32
}

// NewBody shares b.
func NewBody(b []byte) *Body {
	body := &Body{bytes: b}
	body.refs.Store(1)
	return body
}

// Payload implements transport.Body.
func (b *Body) Payload() []byte {
	fault.Invariant(b.refs.Load() > 0, "a released body was read")
	return b.bytes
}

// Retain adds a reference.
func (b *Body) Retain() { b.refs.Add(1) }

// Release implements transport.Body.
func (b *Body) Release() {
	fault.Invariant(b.refs.Add(-1) >= 0, "a body was released twice")
}

// References is how many are held.
func (b *Body) References() int { return int(b.refs.Load()) }
