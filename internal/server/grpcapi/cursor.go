// SPDX-License-Identifier: Apache-2.0

package grpcapi

import "google.golang.org/grpc/mem"

// cursor reads a message that lies in many frames, in place. After the first failed read all fail.
type cursor struct {
	rest mem.BufferSlice
	here []byte
	left int // bytes in here and rest
}

func newCursor(data mem.BufferSlice) *cursor { return &cursor{rest: data, left: data.Len()} }

// next makes here non-empty; false at the end.
func (c *cursor) next() bool {
	for len(c.here) == 0 {
		if len(c.rest) == 0 {
			return false
		}
		c.here, c.rest = c.rest[0].ReadOnlyData(), c.rest[1:]
	}
	return true
}

func (c *cursor) fail() bool {
	c.here, c.rest, c.left = nil, nil, 0
	return false
}

// uvarint reads a protobuf varint of at most 64 bits.
func (c *cursor) uvarint() (v uint64, ok bool) {
	for shift := 0; shift < 64; shift += 7 {
		if !c.next() {
			return 0, c.fail()
		}
		b := c.here[0]
		c.here = c.here[1:]
		c.left--
		if shift == 63 && b > 1 {
			return 0, c.fail()
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, true
		}
	}
	return 0, c.fail()
}

// length reads the length of a field whose bytes are all there.
func (c *cursor) length() (int, bool) {
	n, ok := c.uvarint()
	if !ok || n > uint64(c.left) {
		return 0, c.fail()
	}
	return int(n), true
}

// copyTo fills dst.
func (c *cursor) copyTo(dst []byte) bool {
	if len(dst) > c.left {
		return c.fail()
	}
	c.left -= len(dst)
	for len(dst) > 0 && c.next() {
		n := copy(dst, c.here)
		dst, c.here = dst[n:], c.here[n:]
	}
	return true
}

// skip passes over n bytes.
func (c *cursor) skip(n int) bool {
	if n > c.left {
		return c.fail()
	}
	c.left -= n
	for n > 0 && c.next() {
		m := min(n, len(c.here))
		n, c.here = n-m, c.here[m:]
	}
	return true
}

// skipField passes over the value of a field of a wire type. Groups do not exist in proto3.
func (c *cursor) skipField(wireType uint64) bool {
	switch wireType {
	case wireVarint:
		_, ok := c.uvarint()
		return ok
	case wireFixed64:
		return c.skip(8)
	case wireBytes:
		n, ok := c.length()
		return ok && c.skip(n)
	case wireFixed32:
		return c.skip(4)
	}
	return c.fail()
}

// Wire types of protobuf.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)
