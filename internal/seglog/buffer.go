// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"hash/crc32"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Buffer is the memory of one record: head page, payload, padding, page-aligned. The same memory is filled by the
// network edge, hashed, verified, written to disk and executed from, so a payload is never copied.
//
// A Buffer is born with one reference. Retain adds one, Release gives one up; with the last one the memory goes back to
// the pool and must not be touched. Its methods are not safe for concurrent use, except Retain, Release and reading
// what Payload and Meta gave.
type Buffer struct {
	pool     *Pool
	mem      []byte
	payload  int
	meta     int
	kind     uint8
	bodyCRC  uint32
	sealed   bool
	appended bool
	refs     atomic.Int32
}

// Payload is the payload's memory, to be written into. It holds old bytes at first. Not to be changed after Seal or
// Append.
func (b *Buffer) Payload() []byte {
	end := PageBytes + b.payload
	return b.mem[PageBytes:end:end]
}

// Shrink cuts the payload to n bytes, for an edge that learns the length late.
func (b *Buffer) Shrink(n int) error {
	if n < 0 || n > b.payload || b.appended {
		return fault.New(fault.Invalid, "a payload of %d bytes cannot shrink to %d", b.payload, n)
	}
	b.payload, b.sealed = n, false
	return nil
}

// SetMeta sets the kind and copies the meta, at most MetaBytesMax bytes, into the head page.
func (b *Buffer) SetMeta(kind uint8, meta []byte) error {
	if len(meta) > MetaBytesMax || b.appended {
		return fault.New(fault.Invalid, "%d bytes of meta cannot be set: at most %d, and before the append", len(meta), MetaBytesMax)
	}
	b.kind, b.meta = kind, len(meta)
	clear(b.mem[:PageBytes])
	copy(b.mem[headFieldBytes:], meta)
	return nil
}

// Kind is what SetMeta set.
func (b *Buffer) Kind() uint8 { return b.kind }

// Meta is the meta in the head page.
func (b *Buffer) Meta() []byte { return b.mem[headFieldBytes : headFieldBytes+b.meta] }

// Seal zeroes the padding and computes the payload's checksum, so that the writer need not: call it on the goroutine
// that filled the payload. Append does it otherwise.
func (b *Buffer) Seal() {
	if b.sealed {
		return
	}
	body := b.mem[PageBytes:b.recordBytes()]
	clear(body[b.payload:])
	b.bodyCRC = crc32.Checksum(body, castagnoli)
	b.sealed = true
}

// Retain adds a reference.
func (b *Buffer) Retain() {
	fault.Invariant(b.refs.Add(1) > 1, "a released buffer was retained")
}

// Release gives a reference up.
func (b *Buffer) Release() {
	left := b.refs.Add(-1)
	fault.Invariant(left >= 0, "a buffer was released twice")
	if left == 0 {
		mem := b.mem
		b.mem = nil
		b.pool.put(mem)
	}
}

func (b *Buffer) recordBytes() int { return recordBytes(b.payload) }

// frame writes the head and gives the record's bytes.
func (b *Buffer) frame(h recordHead, salt uint32) []byte {
	b.Seal()
	h.bodyCRC, h.payloadBytes, h.metaBytes, h.kind = b.bodyCRC, uint32(b.payload), uint16(b.meta), b.kind
	h.encode(b.mem[:PageBytes], salt)
	return b.mem[:b.recordBytes()]
}
