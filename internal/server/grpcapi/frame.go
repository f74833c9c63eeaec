// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"
)

// Frame is one message that passes as it is: its bytes are not decoded, and not copied. It is received into and sent like a
// generated message. Who received it calls Free once, after the last send of it.
type Frame struct{ data mem.BufferSlice }

// keep takes a reference of its own: gRPC lets go of what it received when it was read.
func (f *Frame) keep(data mem.BufferSlice) {
	f.Free()
	data.Ref()
	f.data = data
}

// lend gives a reference away, which gRPC lets go of when the bytes are sent.
func (f *Frame) lend() mem.BufferSlice {
	f.data.Ref()
	return f.data
}

// Free lets the bytes go. The Frame may be received into again.
func (f *Frame) Free() {
	f.data.Free()
	f.data = nil
}

// Append puts encoded fields behind the message: of a field that is there already, protobuf takes the last.
func (f *Frame) Append(fields []byte) {
	f.data = append(f.data[:len(f.data):len(f.data)], mem.SliceBuffer(fields))
}

// FrameCodec is the codec for clients that send and receive frames. It speaks protobuf too.
func FrameCodec() encoding.CodecV2 { return newWire() }

// PassOptions are those of a connection to a node over which frames pass: the windows, buffers and bounds of the edge.
func PassOptions() []grpc.DialOption {
	return []grpc.DialOption{
		experimental.WithBufferPool(newFramePool()),
		grpc.WithInitialWindowSize(WindowBytes),
		grpc.WithInitialConnWindowSize(WindowBytes),
		grpc.WithReadBufferSize(readBytes),
		grpc.WithWriteBufferSize(writeBytes),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(SendBytesMax), grpc.MaxCallSendMsgSize(ReceiveBytesMax)),
	}
}
