// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that wire falls back to
	"google.golang.org/grpc/mem"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// wire is protobuf, with ways of their own for inboundBatch and Frame.
type wire struct{ encoding.CodecV2 }

func newWire() wire { return wire{encoding.GetCodecV2("proto")} }

// Unmarshal reads an inboundBatch in place. Its faults stay in the message, because an error here would end the stream
// without an answer.
func (w wire) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *inboundBatch:
		m.read(newCursor(data))
		return nil
	case *Frame:
		m.keep(data)
		return nil
	}
	return w.CodecV2.Unmarshal(data, v)
}

// Marshal lends a Frame's bytes as they are.
func (w wire) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*Frame); ok {
		return f.lend(), nil
	}
	return w.CodecV2.Marshal(v)
}

// inboundBatch is a SubmitBatchRequest on its way from the frames to a buffer.
type inboundBatch struct {
	ctx  context.Context
	lend func(ctx context.Context, payloadBytes int) (*seglog.Buffer, error)

	tag       uint64
	buf       *seglog.Buffer // owned by the message; nil when refused or broken
	signature []byte
	refused   error // a message that is understood, but not admitted
	broken    error // not a SubmitBatchRequest: the stream cannot go on
}

// Fields of a SubmitBatchRequest.
const (
	fieldTag       = 1
	fieldBatch     = 2
	fieldSignature = 3
	fieldMax       = 1<<29 - 1 // of any message
)

func (m *inboundBatch) read(c *cursor) {
	ok := true
	for ok && c.left > 0 {
		var key uint64
		if key, ok = c.uvarint(); !ok {
			break
		}
		switch key {
		case fieldTag<<3 | wireVarint:
			m.tag, ok = c.uvarint()
		case fieldBatch<<3 | wireBytes:
			ok = m.readBatch(c)
		case fieldSignature<<3 | wireBytes:
			ok = m.readSignature(c)
		default: // a later version's, if it is one that protobuf has
			ok = key>>3 >= 1 && key>>3 <= fieldMax && c.skipField(key&7)
		}
	}
	switch {
	case !ok:
		m.broken = fault.Reasoned(fault.Invalid, "message_malformed", "a message on the stream is not a SubmitBatchRequest")
	case m.refused == nil && m.buf == nil:
		m.refused = fault.Reasoned(fault.Invalid, "batch_malformed", "batch: is missing")
	}
	if m.broken != nil || m.refused != nil {
		m.release()
	}
}

// readBatch copies the batch into a buffer. A message with two batches is not one of ours.
func (m *inboundBatch) readBatch(c *cursor) bool {
	n, ok := c.length()
	if !ok || m.buf != nil {
		return false
	}
	if n > chain.BatchBytesMax {
		m.refuse(fault.Reasoned(fault.Invalid, "batch_oversized", "batch: %d bytes, at most %d (%d legs)", n, chain.BatchBytesMax, chain.BatchLegsMax))
		return c.skip(n)
	}
	buf, err := m.lend(m.ctx, n)
	if err != nil {
		m.refuse(err)
		return c.skip(n)
	}
	m.buf = buf
	return c.copyTo(buf.Payload())
}

func (m *inboundBatch) readSignature(c *cursor) bool {
	n, ok := c.length()
	if !ok {
		return false
	}
	if n > chain.SignatureBytesMax {
		m.refuse(fault.Reasoned(fault.Invalid, "signature_oversized", "signature: %d bytes, at most %d", n, chain.SignatureBytesMax))
		return c.skip(n)
	}
	m.signature = make([]byte, n)
	return c.copyTo(m.signature)
}

func (m *inboundBatch) refuse(err error) {
	if m.refused == nil {
		m.refused = err
	}
}

// take hands the buffer over.
func (m *inboundBatch) take() *seglog.Buffer {
	buf := m.buf
	m.buf = nil
	return buf
}

func (m *inboundBatch) release() {
	if buf := m.take(); buf != nil {
		buf.Release()
	}
}
