// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/aurigraph/aurigraph/internal/fault"
)

const (
	headerBytes = 5 // u32 body length, u8 kind
	kindControl = 0
	pingBytes   = 8
)

func frameBytes(body int) int { return headerBytes + body }

func putHeader(b []byte, kind uint8, body int) {
	binary.LittleEndian.PutUint32(b, uint32(body))
	b[4] = kind
}

// readHeader reads a frame's header. An end between two frames is io.EOF. A length over the bound is Corrupt, as is one
// that a control frame cannot have.
func readHeader(r *bufio.Reader, class Class) (kind uint8, body int, err error) {
	h, err := r.Peek(headerBytes)
	if err != nil {
		if err == io.EOF && len(h) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return 0, 0, err
	}
	n := binary.LittleEndian.Uint32(h)
	kind = h[4]
	if _, err := r.Discard(headerBytes); err != nil {
		return 0, 0, err
	}
	if uint64(n) > uint64(class.BodyBytesMax()) {
		return 0, 0, fault.Reasoned(fault.Corrupt, "frame_oversized", "a %s frame says it has %d bytes, at most %d", class, n, class.BodyBytesMax())
	}
	if kind == kindControl && n != 0 && n != pingBytes {
		return 0, 0, fault.Reasoned(fault.Corrupt, "frame_malformed", "a control frame has %d bytes", n)
	}
	return kind, int(n), nil
}

// bodyReader is what a Receiver reads: the body of one frame. It never reports the end of the connection as the end of
// the body.
type bodyReader struct {
	r    *bufio.Reader
	left int
	err  error // the connection's, kept because a Receiver may swallow it
}

// Read reads at most the rest of the body.
func (b *bodyReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.fail(err)
	return n, b.err
}

// skip reads past the rest, and returns the connection's error if it had one.
func (b *bodyReader) skip() error {
	if b.err == nil && b.left > 0 {
		n, err := b.r.Discard(b.left)
		b.left -= n
		b.fail(err)
	}
	return b.err
}

func (b *bodyReader) fail(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	b.err = err
}
