// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"encoding/binary"
	"math"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Magics: the first four bytes of each form, its version the last of them. FORMAT.md draws the forms.
const (
	magicReveal = "AVR2"
	magicClaim  = "AVC2"
	magicChoice = "AVX1"
	magicPlan   = "AVP2"
	magicAsk    = "AVS1"
	magicWhere  = "AVW1"
	magicRecord = "AVK1"
)

// Bounds of encoded messages, in bytes: a plan of chain.ValidatorsMax reveals with as many claims fits a request, the
// largest next membership with a reveal fits an answer.
const (
	RequestBytesMax = 2 << 20
	AnswerBytesMax  = 256 << 10

	revealBytesMax      = 24 << 10 // without Next
	claimBytesMax       = 512      // without Header
	certificateBytesMax = 8 << 10  // without signatures for a state root
	membershipBytesMax  = 176 << 10
)

// writer appends little-endian fields.
type writer struct{ b []byte }

func (w *writer) u16(v uint16)       { w.b = binary.LittleEndian.AppendUint16(w.b, v) }
func (w *writer) u64(v uint64)       { w.b = binary.LittleEndian.AppendUint64(w.b, v) }
func (w *writer) raw(v []byte)       { w.b = append(w.b, v...) }
func (w *writer) text(v string)      { w.b = append(w.b, v...) }
func (w *writer) hash(v chain.Hash)  { w.b = append(w.b, v[:]...) }
func (w *writer) point(p Point)      { w.u64(uint64(p.Height)); w.hash(p.Header) }
func (w *writer) signature(v []byte) { w.bytes(v, chain.Ed25519SignatureBytes) }

// bytes writes a length and v. What reader.bytes would refuse is never written.
func (w *writer) bytes(v []byte, limit int) {
	fault.Invariant(len(v) <= limit && len(v) <= math.MaxUint32, "%d bytes where at most %d may stand", len(v), limit)
	w.b = binary.LittleEndian.AppendUint32(w.b, uint32(len(v)))
	w.raw(v)
}

func (w *writer) membership(m *chain.Membership) {
	if m == nil {
		w.bytes(nil, membershipBytesMax)
		return
	}
	w.bytes(codec.AppendMembership(nil, m), membershipBytesMax)
}

// reader takes fields off a byte slice. The first fault sticks: later reads give zeros, and done returns it.
type reader struct {
	b    []byte
	what string
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fault.Reasoned(fault.Invalid, "malformed", "seal: "+r.what+": "+format, args...)
	}
	r.b = nil
}

func (r *reader) take(n int) []byte {
	if r.err != nil || len(r.b) < n {
		r.fail("ends too early")
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) u16() uint16 {
	if v := r.take(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if v := r.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if v := r.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

func (r *reader) hash() (h chain.Hash) {
	copy(h[:], r.take(len(h)))
	return h
}

func (r *reader) point() Point { return Point{chain.Height(r.u64()), r.hash()} }

// bytes reads a length and that many bytes, copied; none reads as nil.
func (r *reader) bytes(limit int) []byte {
	n := r.u32()
	if int64(n) > int64(limit) {
		r.fail("%d bytes where at most %d may stand", n, limit)
		return nil
	}
	if n == 0 {
		return nil
	}
	return append([]byte(nil), r.take(int(n))...)
}

// signature reads an Ed25519 signature.
func (r *reader) signature() []byte {
	v := r.bytes(chain.Ed25519SignatureBytes)
	if r.err == nil && len(v) != chain.Ed25519SignatureBytes {
		r.fail("a signature of %d bytes", len(v))
	}
	return v
}

// count reads a list's length.
func (r *reader) count(limit int) int {
	n := int(r.u16())
	if n > limit {
		r.fail("a list of %d items, at most %d", n, limit)
		return 0
	}
	return n
}

// flag reads 0 or 1.
func (r *reader) flag() bool {
	v := r.u16()
	if v > 1 {
		r.fail("a flag is %d", v)
	}
	return v == 1
}

func (w *writer) flag(v bool) {
	if v {
		w.u16(1)
		return
	}
	w.u16(0)
}

func (r *reader) verdict() chain.Verdict {
	v := r.u16()
	if v > math.MaxUint8 {
		r.fail("a verdict is %d", v)
	}
	return chain.Verdict(v)
}

func (r *reader) magic(m string) {
	if got := r.take(len(m)); r.err == nil && string(got) != m {
		r.fail("does not begin with %q", m)
	}
}

// membership reads one, nil if there is none. Whether it can be is for chain.Membership.Validate to say.
func (r *reader) membership() *chain.Membership {
	b := r.bytes(membershipBytesMax)
	if b == nil || r.err != nil {
		return nil
	}
	m, err := codec.DecodeMembership(b)
	if err != nil {
		r.fail("%v", err)
		return nil
	}
	return m
}

func (r *reader) done() error {
	if r.err == nil && len(r.b) != 0 {
		r.fail("%d bytes too long", len(r.b))
	}
	return r.err
}
