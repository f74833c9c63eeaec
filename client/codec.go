// SPDX-License-Identifier: Apache-2.0

package client

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that wire falls back to
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// wire is protobuf, with a way of its own for outboundBatch.
type wire struct{ encoding.CodecV2 }

func newWire() wire { return wire{encoding.GetCodecV2("proto")} }

// outboundBatch is a SubmitBatchRequest whose batch is sent from where it lies.
type outboundBatch struct {
	tag              uint64
	batch, signature []byte
}

// Fields of a SubmitBatchRequest.
const (
	fieldTag       = 1
	fieldBatch     = 2
	fieldSignature = 3
)

// Marshal writes an outboundBatch as three pieces, the middle one the batch itself.
func (w wire) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*outboundBatch)
	if !ok {
		return w.CodecV2.Marshal(v)
	}
	front := protowire.AppendTag(make([]byte, 0, 32), fieldTag, protowire.VarintType)
	front = protowire.AppendVarint(front, m.tag)
	front = protowire.AppendTag(front, fieldBatch, protowire.BytesType)
	front = protowire.AppendVarint(front, uint64(len(m.batch)))
	back := protowire.AppendTag(make([]byte, 0, len(m.signature)+16), fieldSignature, protowire.BytesType)
	back = protowire.AppendBytes(back, m.signature)
	return mem.BufferSlice{mem.SliceBuffer(front), mem.SliceBuffer(m.batch), mem.SliceBuffer(back)}, nil
}
