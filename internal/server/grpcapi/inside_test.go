// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

func TestErrorTable(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range fault.Kinds() {
		code, ok := codeOf[k]
		if !ok {
			t.Errorf("kind %s has no code", k)
		}
		err := statusOf(fault.Reasoned(k, "why", "so it is"))
		s, _ := status.FromError(err)
		if s.Code() != code || len(s.Details()) != 1 {
			t.Errorf("%s: %v", k, err)
		}
		if !bytes.Contains(doc, []byte("| `"+k.String()+"` | `"+code.String()+"` |")) {
			t.Errorf("docs/errors.md has no row that begins with %s and %s", k, code)
		}
	}
}

func TestStatusOf(t *testing.T) {
	long := strings.Repeat("é", fault.PublicBytesMax)
	for name, c := range map[string]struct {
		err  error
		code codes.Code
		text string
	}{
		"none":      {nil, codes.OK, ""},
		"own":       {status.Error(codes.Canceled, "left"), codes.Canceled, "left"},
		"cancelled": {context.Canceled, codes.Canceled, "the call was cancelled"},
		"late":      {context.DeadlineExceeded, codes.DeadlineExceeded, "the call ended before its answer was known"},
		"unknown":   {errors.New("secret"), codes.Internal, fault.PublicInternal},
		"internal":  {fault.New(fault.Internal, "secret"), codes.Internal, fault.PublicInternal},
		"nested":    {fault.Wrap(fault.Invalid, fault.New(fault.Corrupt, "inner"), "outer"), codes.InvalidArgument, "outer: inner"},
		"hidden":    {fault.Wrap(fault.Invalid, fault.Wrap(fault.Internal, errors.New("x"), "secret"), "outer"), codes.InvalidArgument, "outer"},
		"no utf8":   {fault.New(fault.Invalid, "a\xffb"), codes.InvalidArgument, "a?b"},
		"long":      {fault.New(fault.Invalid, "x%s", long), codes.InvalidArgument, ("x" + long)[:fault.PublicBytesMax-1]},
		"timed out": {fault.New(fault.Timeout, "not seen"), codes.DeadlineExceeded, "not seen"},
	} {
		s, _ := status.FromError(statusOf(c.err))
		if s.Code() != c.code || s.Message() != c.text {
			t.Errorf("%s: %v %q", name, s.Code(), s.Message())
		}
	}
}

func TestOwnDamage(t *testing.T) {
	good := codec.Outcomes{Codes: []chain.Outcome{chain.OK}}.AppendPacked(nil)
	if _, err := txReceipt(&chain.Receipt{Outcomes: []byte{9}}, [32]byte{}, 0); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
	if _, err := txReceipt(&chain.Receipt{Outcomes: good}, [32]byte{}, 1); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
}

func TestFramePool(t *testing.T) {
	p := newFramePool()
	for _, n := range []int{0, 1, smallBytes, smallBytes + 1, frameBytes, frameBytes + 1} {
		b := p.Get(n)
		if len(*b) != n {
			t.Errorf("asked for %d, got %d", n, len(*b))
		}
		p.Put(b)
	}
}

// split cuts a message into frames of n bytes.
func split(b []byte, n int) mem.BufferSlice {
	s := mem.BufferSlice{mem.SliceBuffer(nil)}
	for len(b) > n {
		s, b = append(s, mem.SliceBuffer(b[:n])), b[n:]
	}
	return append(s, mem.SliceBuffer(b))
}

func readMessage(pool *seglog.Pool, b []byte, frame int) *inboundBatch {
	m := &inboundBatch{ctx: context.Background(), lend: pool.Get}
	newWire().Unmarshal(split(b, frame), m)
	return m
}

func TestInboundBatch(t *testing.T) {
	pool := seglog.NewPool(8<<20, 0)
	q := &ledgerv1.SubmitBatchRequest{Tag: 1<<64 - 1, Batch: bytes.Repeat([]byte("batch"), 500), Signature: []byte("signature")}
	b, err := proto.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	// Fields we do not know, of all types, before and after.
	extra := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1<<63)
	extra = protowire.AppendFixed32(protowire.AppendTag(extra, 98, protowire.Fixed32Type), 1)
	extra = protowire.AppendFixed64(protowire.AppendTag(extra, 97, protowire.Fixed64Type), 1)
	extra = protowire.AppendBytes(protowire.AppendTag(extra, 96, protowire.BytesType), make([]byte, 50))
	for _, frame := range []int{1, 3, 7, 1000, 1 << 20} {
		m := readMessage(pool, bytes.Join([][]byte{extra, b, extra}, nil), frame)
		if m.broken != nil || m.refused != nil {
			t.Fatal(m.broken, m.refused)
		}
		if m.tag != q.Tag || !bytes.Equal(m.buf.Payload(), q.Batch) || !bytes.Equal(m.signature, q.Signature) {
			t.Errorf("frames of %d bytes: the message changed", frame)
		}
		m.release()
		for n := range b { // cut anywhere, it is broken or lacks a field, and never keeps a buffer it does not own up to
			if m := readMessage(pool, b[:n], frame); m.buf != nil {
				m.release()
			}
		}
	}
	if pool.LentBytes() != 0 {
		t.Errorf("%d bytes are still out", pool.LentBytes())
	}
}

// FuzzInboundBatch: any bytes, in any frames, are read as protobuf reads them, or refused; no buffer is lost.
func FuzzInboundBatch(f *testing.F) {
	good, _ := proto.Marshal(&ledgerv1.SubmitBatchRequest{Tag: 5, Batch: []byte("batch"), Signature: []byte("sig")})
	f.Add(good, 3)
	f.Add([]byte{0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 1)
	f.Add([]byte{0x0b, 0x0c}, 1)
	pool := seglog.NewPool(8<<20, 1<<20)
	f.Fuzz(func(t *testing.T, b []byte, frame int) {
		m := readMessage(pool, b, max(1, frame))
		var want ledgerv1.SubmitBatchRequest
		err := proto.Unmarshal(b, &want)
		if m.broken == nil && m.refused == nil {
			if err != nil || m.tag != want.Tag || !bytes.Equal(m.buf.Payload(), want.Batch) || !bytes.Equal(m.signature, want.Signature) {
				t.Errorf("read %d %q %q, protobuf reads %v, %v", m.tag, m.buf.Payload(), m.signature, &want, err)
			}
		}
		m.release()
		if pool.LentBytes() != 0 {
			t.Error("a buffer is lost")
		}
	})
}

func TestInOrder(t *testing.T) {
	items := func(n int) func() (int, error) {
		i := 0
		return func() (int, error) {
			if i++; i > n {
				return 0, io.EOF
			}
			return i, nil
		}
	}
	var got []int
	if err := inOrder(t.Context(), 2, items(9), func(i int) error { got = append(got, i); return nil }); err != nil || len(got) != 9 || got[8] != 9 {
		t.Error(got, err)
	}
	boom := errors.New("boom")
	if err := inOrder(t.Context(), 2, items(9), func(int) error { return boom }); err != boom {
		t.Error(err)
	}
	if err := inOrder(t.Context(), 2, items(9), func(int) error { panic("x") }); err == nil || err.Error() != "a handler panicked" {
		t.Error(err)
	}
	if err := inOrder(t.Context(), 2, func() (int, error) { return 0, boom }, func(int) error { return nil }); err != boom {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := inOrder(ctx, 1, items(9), func(int) error { cancel(); <-ctx.Done(); return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
