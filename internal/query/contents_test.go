// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
)

// TestContents reads a chain whole, in answers of all sizes: whoever goes on behind each answer gets every batch once, and each
// answer ends with the certificate of its last block.
func TestContents(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for n := range 4 {
			w.Batch(slices.Repeat([]chain.Leg{pay(house, alice, gold, 1)}, 1+500*n)...)
			w.open(1)
		}
		w.Settle()
		head := w.Loop.Height()
		for _, bytes := range []int{1, 1000, 40_000, 100_000, query.ContentsBytesMax} {
			batches, at := 0, query.ContentsRequest{From: 1, BytesMax: bytes}
			for at.From <= head {
				c, err := w.Contents(t.Context(), at)
				if err != nil || len(c.Blocks) == 0 || c.Height != head {
					t.Fatalf("%+v: %v, %v", at, c, err)
				}
				before := at
				at = checkContents(t, c, at, bytes, &batches)
				if at.From == before.From && at.Batch == before.Batch {
					t.Fatalf("%+v does not get on", at)
				}
			}
			if batches != 8 {
				t.Errorf("%d batches with %d bytes an answer", batches, bytes)
			}
		}
		c, err := w.Contents(t.Context(), query.ContentsRequest{From: 1, BytesMax: query.ContentsBytesMax, HeadersOnly: true})
		if err != nil || chain.Height(len(c.Blocks)) != head || len(c.Blocks[0].Batches) != 0 {
			t.Errorf("%d headers, %v", len(c.Blocks), err)
		}
		if c, err := w.Contents(t.Context(), query.ContentsRequest{From: head + 1, BytesMax: 1}); err != nil || len(c.Blocks) != 0 || c.Height != head || c.RetainedFrom != 0 {
			t.Errorf("beyond the end: %+v, %v", c, err)
		}
	})
}

// checkContents checks one answer against what it proves, and says where the next goes on.
func checkContents(t *testing.T, c *query.Contents, at query.ContentsRequest, bytes int, batches *int) query.ContentsRequest {
	t.Helper()
	size, last := 0, chain.Hash{}
	for i, b := range c.Blocks {
		h, err := codec.DecodeHeader(b.Header)
		if err != nil || i > 0 && h.Previous != last {
			t.Fatalf("block %d: %v", i, err)
		}
		last = codec.Sum(b.Header)
		size += len(b.Header)
		for j, x := range b.Batches {
			line := h.Batches[at.Batch+uint32(j)]
			o, err := codec.UnpackOutcomes(x.Outcomes)
			if codec.Sum(x.Payload) != line.Batch || err != nil || o.Hash() != line.Outcomes {
				t.Fatalf("batch %d of block %d is another one", j, h.Height)
			}
			size += len(x.Payload) + len(x.Outcomes)
			*batches++
		}
		at.From, at.Batch = h.Height, at.Batch+uint32(len(b.Batches))
		if int(at.Batch) == len(h.Batches) {
			at.From, at.Batch = at.From+1, 0
		}
	}
	if size > bytes && (len(c.Blocks) > 1 || len(c.Blocks[0].Batches) > 1) {
		t.Errorf("%d bytes, at most %d", size, bytes)
	}
	if cert, err := codec.DecodeCertificate(c.Certificate); err != nil || cert.Header != last {
		t.Errorf("the certificate is of another header: %v", err)
	}
	return at
}

// TestContentsPruned says where to go on behind what retention recycled; headers stay.
func TestContentsPruned(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for range 10 {
			w.Batch(slices.Repeat([]chain.Leg{pay(house, alice, gold, 1)}, 1500)...)
		}
		w.Settle()
		w.Recycle(2)
		from, err := w.History.Retained(1, w.Loop.Height())
		if err != nil || from < 2 {
			t.Fatal(from, err)
		}
		c, err := w.Contents(t.Context(), query.ContentsRequest{From: 1, BytesMax: query.ContentsBytesMax})
		if err != nil || c.RetainedFrom != from || len(c.Blocks) != 0 {
			t.Errorf("%+v, %v, want to go on at %d", c, err, from)
		}
		c, err = w.Contents(t.Context(), query.ContentsRequest{From: from, BytesMax: query.ContentsBytesMax})
		if err != nil || len(c.Blocks) == 0 || len(c.Blocks[0].Batches) == 0 {
			t.Errorf("%v, %v", c, err)
		}
		c, err = w.Contents(t.Context(), query.ContentsRequest{From: 1, BytesMax: query.ContentsBytesMax, HeadersOnly: true})
		if err != nil || chain.Height(len(c.Blocks)) != w.Loop.Height() {
			t.Errorf("%d headers, %v", len(c.Blocks), err)
		}
	})
}

func TestContentsRefuses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for name, ask := range map[string]query.ContentsRequest{
			"from_height": {BytesMax: 1}, "bytes_max": {From: 1}, "bytes_max: is 2": {From: 1, BytesMax: query.ContentsBytesMax + 1},
		} {
			_, err := w.Contents(t.Context(), ask)
			want(t, name, err, fault.Invalid, name)
		}
	})
}
