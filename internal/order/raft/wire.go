// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"encoding/binary"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of what peers send each other.
const (
	// FrameBytesMax bounds a frame; a longer one is refused unread.
	FrameBytesMax = 256 << 10
	// ForwardMax bounds the digests of one forward.
	ForwardMax = 256
)

const (
	frameRaft    = 1
	frameForward = 2
)

// fieldResponses is the number of a message's field that only a node's own storage uses, and that nests.
const fieldResponses = 14

// A Message is one frame between engines, decoded: exactly one field is set.
type Message struct {
	Raft    *pb.Message
	Forward *Forward
}

// A Forward hands a follower's digests to the leader. Each offerer numbers its digests from 0 at each start.
type Forward struct {
	Incarnation uint64       // of the offerer: drawn anew at each start
	Low         uint64       // all below are decided, as the offerer knows
	Start       uint64       // number of the first digest here
	NudgeTo     uint64       // the offerer wants this height decided, even if it is empty; 0: no wish
	Digests     []chain.Hash // at most ForwardMax
}

// AppendFrame appends m's frame: a byte for the kind, then the message.
func AppendFrame(dst []byte, m Message) []byte {
	if m.Forward != nil {
		return appendForward(append(dst, frameForward), m.Forward)
	}
	size := m.Raft.Size()
	dst = append(slices.Grow(dst, 1+size), frameRaft)
	at := len(dst)
	dst = dst[:at+size]
	_, err := m.Raft.MarshalTo(dst[at:])
	fault.Invariant(err == nil, "a message has no encoding: %v", err)
	return dst
}

func appendForward(dst []byte, f *Forward) []byte {
	fault.Invariant(len(f.Digests) <= ForwardMax, "a forward has %d digests", len(f.Digests))
	for _, v := range []uint64{f.Incarnation, f.Low, f.Start, f.NudgeTo} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(f.Digests)))
	for i := range f.Digests {
		dst = append(dst, f.Digests[i][:]...)
	}
	return dst
}

// ParseFrame reads a frame. It keeps no reference to b. Every error is Invalid.
func ParseFrame(b []byte) (Message, error) {
	if len(b) == 0 || len(b) > FrameBytesMax {
		return Message{}, malformed("%d bytes", len(b))
	}
	switch b[0] {
	case frameRaft:
		m, err := parseRaft(b[1:])
		return Message{Raft: m}, err
	case frameForward:
		f, err := parseForward(b[1:])
		return Message{Forward: f}, err
	}
	return Message{}, malformed("kind %d", b[0])
}

func malformed(format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "malformed", "ordering frame: "+format, args...)
}

func parseRaft(b []byte) (*pb.Message, error) {
	if nests(b) {
		return nil, malformed("it nests messages")
	}
	m := new(pb.Message)
	if err := m.Unmarshal(b); err != nil {
		return nil, malformed("%v", err)
	}
	return m, nil
}

// nests reports whether an encoded message has other messages in it, before anyone recurses into them; bytes that do
// not parse nest as well.
func nests(b []byte) bool {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == fieldResponses {
			return true
		}
		b = b[n:]
		skip := 0
		switch tag & 7 {
		case 0:
			_, skip = binary.Uvarint(b)
		case 1:
			skip = 8
		case 2:
			length, n := binary.Uvarint(b)
			if n <= 0 || length > uint64(len(b)) {
				return true
			}
			skip = n + int(length)
		case 5:
			skip = 4
		}
		if skip <= 0 || skip > len(b) {
			return true
		}
		b = b[skip:]
	}
	return false
}

func parseForward(b []byte) (*Forward, error) {
	r := fields{b: b}
	f := &Forward{Incarnation: r.u64(), Low: r.u64(), Start: r.u64(), NudgeTo: r.u64()}
	n := int(r.u16())
	if n > ForwardMax || len(r.b) != n*len(chain.Hash{}) {
		return nil, malformed("%d digests in %d bytes", n, len(b))
	}
	for range n {
		f.Digests = append(f.Digests, chain.Hash(r.take(len(chain.Hash{}))))
	}
	if r.short || f.Low > f.Start || f.Start+uint64(n) < f.Start {
		return nil, malformed("digests %d to %d above %d", f.Start, f.Start+uint64(n), f.Low)
	}
	return f, nil
}

// fields takes little-endian numbers off a byte slice; short is set when it ended too early.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n < 0 || len(f.b) < n {
		f.b, f.short = nil, true
		return make([]byte, max(0, min(n, 64)))
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) u8() uint8   { return f.take(1)[0] }
func (f *fields) u16() uint16 { return binary.LittleEndian.Uint16(f.take(2)) }
func (f *fields) u32() uint32 { return binary.LittleEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64 { return binary.LittleEndian.Uint64(f.take(8)) }

// bytes takes a u16 length and so many bytes, copied.
func (f *fields) bytes() []byte {
	n := int(f.u16())
	if n > len(f.b) {
		f.b, f.short = nil, true
		return nil
	}
	return append([]byte(nil), f.take(n)...)
}
