// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"io"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Transport sends frames to the other validators. Its methods are safe for concurrent use.
type Transport interface {
	// Start begins to receive, and to connect to the peers. Once only: Conflict.
	Start(r Receiver) error

	// Send queues a frame whose body is the parts, one after the other. It copies them, so they may be changed at once.
	// kind is the caller's, from 1 to 255. It never blocks. Errors: Invalid (class, kind, size, to itself), NotFound (to is
	// no peer), TryLater (reasons queue_full, disconnected), Unavailable (closed).
	Send(to chain.ValidatorNo, class Class, kind uint8, parts ...[]byte) error

	// SendOwned is Send for a large body: head is copied and sent before it, body is not copied. It takes over one
	// reference, which is released when the frame was written or dropped. On an error nothing was taken over.
	SendOwned(to chain.ValidatorNo, class Class, kind uint8, head []byte, body Body) error

	// SetPeers replaces the peers and the membership epoch that is told to them. This validator's own entry is left out.
	// Connections to and from those that are no longer peers end, and their queues are dropped; the others' stay, unless
	// the address changed.
	SetPeers(epoch chain.Epoch, peers []Peer) error

	// Status is the state of each peer, by number.
	Status() []PeerStatus

	// Close ends all connections and releases all bodies. It waits for calls of Receiver.Frame, so whoever owns the
	// receiver makes those return first. A second call does nothing.
	Close() error
}

// Receiver takes what peers send.
type Receiver interface {
	// Frame reads a frame's body of so many bytes from r, into memory of its own choosing. What it leaves is skipped; r is
	// of no use after it returned. An error ends this connection, which the sender makes anew after a while.
	//
	// Calls come one at a time for a sender and class, otherwise concurrently. While a call does not return, nothing more
	// of that sender and class is read.
	Frame(from chain.ValidatorNo, class Class, kind uint8, bytes int, r io.Reader) error
}

// Body is memory that is shared by counting references, such as a *seglog.Buffer. Release is called from any goroutine
// and must not call the transport.
type Body interface {
	Payload() []byte
	Release()
}

// Peer is a validator and where it listens, host:port.
type Peer struct {
	No      chain.ValidatorNo
	Address string
}

// Class is a priority. Each class of a peer has its own connection and queue.
type Class uint8

// The classes, the most urgent first.
const (
	Consensus Class = iota // votes, proposals: small, stale when superseded
	Batches                // payloads and their acknowledgements
	Sync                   // catching up, limited in rate
	ClassCount
)

var classNames = [ClassCount]string{"consensus", "batches", "sync"}

// String returns the class's name, used as label; "unknown" for a number that is no class.
func (c Class) String() string {
	if c >= ClassCount {
		return "unknown"
	}
	return classNames[c]
}

// Bounds of a frame's body by class, in bytes.
const (
	ConsensusBytesMax = 1 << 20
	BatchesBytesMax   = chain.BatchBytesMax + 64<<10 // a full batch, its signature and its place in the lane
	SyncBytesMax      = 1 << 20
)

var bodyBytesMax = [ClassCount]int{ConsensusBytesMax, BatchesBytesMax, SyncBytesMax}

// BodyBytesMax is the bound of a frame's body; 0 for a number that is no class.
func (c Class) BodyBytesMax() int {
	if c >= ClassCount {
		return 0
	}
	return bodyBytesMax[c]
}

// CheckFrame says why a frame of n body bytes cannot be sent to a peer: Invalid, or nil.
func CheckFrame(class Class, kind uint8, n int) error {
	switch {
	case class >= ClassCount:
		return fault.New(fault.Invalid, "class %d does not exist", class)
	case kind == kindControl:
		return fault.New(fault.Invalid, "frame kind 0 is the transport's own: use 1 to 255")
	case n > bodyBytesMax[class]:
		return fault.Reasoned(fault.Invalid, "frame_oversized", "a %s frame of %d bytes exceeds the bound of %d: send it in parts", class, n, bodyBytesMax[class])
	}
	return nil
}

// Limits bound a queue: the frames to one peer in one class.
type Limits struct {
	Bytes  int64 // of frames waiting or being written
	Frames int   // waiting
}

// DefaultLimits are the bounds of a class's queues. Batches hold about thirty full ones, which all peers share.
func DefaultLimits(c Class) Limits {
	return [ClassCount]Limits{{4 << 20, 8192}, {16 << 20, 1024}, {4 << 20, 256}}[c]
}

// Check says Invalid if a queue of class c so bounded could not hold a frame beside one that is being written.
func (l Limits) Check(c Class) error {
	if least := int64(2 * frameBytes(c.BodyBytesMax())); l.Bytes < least || l.Frames < 1 {
		return fault.New(fault.Invalid, "a %s queue of %d bytes and %d frames is too small: at least %d bytes and 1 frame", c, l.Bytes, l.Frames, least)
	}
	return nil
}

// PeerStatus is how a peer is connected.
type PeerStatus struct {
	No      chain.ValidatorNo
	Address string
	Epoch   chain.Epoch // the membership epoch that the peer told last; 0 if it never did
	Classes [ClassCount]ClassStatus
}

// ClassStatus is one class of a peer. Zero times mean: not connected, or never.
type ClassStatus struct {
	SendingSince   time.Time     // the connection for what we send
	ReceivingSince time.Time     // the connection for what the peer sends
	LastReceived   time.Time     // bytes from the peer, on either connection
	RoundTrip      time.Duration // of the last ping, with what was queued before it
	QueueFrames    int           // waiting
	QueueBytes     int64         // waiting or being written
	Dropped        uint64        // frames that were queued and not delivered
	Reconnects     uint64
	LastError      string // why the connection for what we send ended last, or could not be made
}
