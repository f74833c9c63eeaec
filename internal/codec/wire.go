// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"encoding/binary"
	"math"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// writer appends little-endian fields to a byte slice.
type writer struct{ b []byte }

func (w *writer) u8(v uint8)   { w.b = append(w.b, v) }
func (w *writer) u16(v uint16) { w.b = binary.LittleEndian.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32) { w.b = binary.LittleEndian.AppendUint32(w.b, v) }
func (w *writer) u64(v uint64) { w.b = binary.LittleEndian.AppendUint64(w.b, v) }
func (w *writer) raw(v []byte) { w.b = append(w.b, v...) }

func (w *writer) amount(a chain.Amount) { w.u64(a.Lo); w.u64(a.Hi) }

// bytes writes a length and v. What reader.bytes would refuse is never written: a length cut to 16 bits would give two
// values one form.
func (w *writer) bytes(v []byte, limit int) {
	fault.Invariant(len(v) <= min(limit, math.MaxUint16), "a byte string is longer than its form allows")
	w.u16(uint16(len(v)))
	w.raw(v)
}

// count writes a list's length, which reader.count must accept.
func (w *writer) count(n, limit int) {
	fault.Invariant(n <= limit, "a list is longer than its form allows")
	w.u32(uint32(n))
}

func (w *writer) flag(v bool) {
	if v {
		w.u8(1)
		return
	}
	w.u8(0)
}

// reader takes fields off a byte slice. The first fault sticks: later reads give zeros, and done returns it.
type reader struct {
	b    []byte
	what string
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fault.Reasoned(fault.Invalid, "malformed", r.what+": "+format, args...)
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

func (r *reader) u8() uint8 {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
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

func (r *reader) amount() chain.Amount { return chain.Amount{Lo: r.u64(), Hi: r.u64()} }

func (r *reader) flag() bool {
	v := r.u8()
	if v > 1 {
		r.fail("a flag is %d", v)
	}
	return v == 1
}

// bytes reads a length and that many bytes, copied; an empty string reads as nil.
func (r *reader) bytes(limit int) []byte {
	n := int(r.u16())
	if n > limit {
		r.fail("%d bytes where at most %d may stand", n, limit)
		return nil
	}
	if n == 0 {
		return nil
	}
	return append([]byte(nil), r.take(n)...)
}

// count reads a list's length, bounded by limit and by what the rest could hold at itemBytes each.
func (r *reader) count(limit, itemBytes int) int {
	n := int(r.u32())
	if n > limit || n > len(r.b)/itemBytes {
		r.fail("a list of %d items", n)
		return 0
	}
	return n
}

func (r *reader) magic(m string) {
	if got := r.take(len(m)); r.err == nil && string(got) != m {
		r.fail("does not begin with %q", m)
	}
}

func (r *reader) done() error {
	if r.err == nil && len(r.b) != 0 {
		r.fail("%d bytes too long", len(r.b))
	}
	return r.err
}
