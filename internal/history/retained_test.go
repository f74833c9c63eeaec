// SPDX-License-Identifier: Apache-2.0

package history_test

import (
	"errors"
	"math/bits"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// layout is a chain of blocks, each the segments in which its payloads lie.
type layout [][]uint64

func drawLayout(t *rapid.T) (l layout, segments uint64) {
	segments = 1
	for range rapid.IntRange(0, 40).Draw(t, "blocks") {
		var block []uint64
		for range rapid.IntRange(0, 3).Draw(t, "batches") {
			segments += uint64(rapid.IntRange(0, 2).Draw(t, "segments on"))
			block = append(block, segments)
		}
		l = append(l, block)
	}
	return l, segments
}

func (l layout) write(c *store.Changes) {
	for i, block := range l {
		h := chain.Height(i + 1)
		header := &chain.ExecutedHeader{Height: h, Batches: make([]chain.BatchResult, len(block))}
		store.WriteHeader(c, h, codec.AppendHeader(nil, header))
		for j, segment := range block {
			loc := chain.Location{Height: h, Index: uint32(j), Kind: chain.PayloadBatch, Segment: segment, Bytes: uint32(10 + 7*i%5 + j)}
			store.WritePlace(c, h, uint32(j), codec.AppendLocation(nil, loc))
		}
	}
}

// prune removes the rows of heights below one.
func (l layout) prune(c *store.Changes, below chain.Height) {
	for i, block := range l {
		for j := range block {
			if h := chain.Height(i + 1); h < below {
				store.DeletePlace(c, h, uint32(j))
			}
		}
	}
	if below > 0 {
		store.WriteBatchesFrom(c, below)
	}
}

// linear is what Retained must say: the height behind the last block from from on that misses a payload.
func (l layout) linear(from chain.Height, below uint64, rowsBelow chain.Height) chain.Height {
	oldest := from
	for i, block := range l {
		h := chain.Height(i + 1)
		for _, segment := range block {
			if h >= from && (segment < below || h < rowsBelow) {
				oldest = h + 1
			}
		}
	}
	return oldest
}

func TestRetained(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, last := drawLayout(t)
		head := chain.Height(len(l))
		below := rapid.Uint64Range(0, last+1).Draw(t, "recycled below")
		from := chain.Height(rapid.Uint64Range(1, uint64(head)+1).Draw(t, "from"))
		var rowsBelow chain.Height // rows go long after payloads
		for i, block := range l {
			if len(block) > 0 && block[len(block)-1] >= below {
				break
			}
			if rapid.Bool().Draw(t, "rows go") {
				rowsBelow = chain.Height(i + 2)
			}
		}
		s, reads := memstore.New(), 0
		var c store.Changes
		l.write(&c)
		l.prune(&c, rowsBelow)
		if err := s.Apply(&c, false); err != nil {
			t.Fatal(err)
		}
		h := history.New(s, func(at chain.Location) ([]byte, error) {
			reads++
			if at.Segment < below {
				return nil, fault.New(fault.Pruned, "recycled")
			}
			return nil, nil
		})
		got, err := h.Retained(from, head)
		if want := l.linear(from, below, rowsBelow); err != nil || got != want {
			t.Fatalf("from %d to %d: %d, %v; must be %d", from, head, got, err, want)
		}
		steps := 2*bits.Len64(uint64(head)) + 2
		if reads > 3*steps {
			t.Fatalf("%d payloads were read, %d steps of at most 3 segments are enough", reads, steps)
		}
	})
}

// A block costs one payload a segment, the smallest, however many it has.
func TestRetainedReadsLittle(t *testing.T) {
	s := memstore.New()
	header := &chain.ExecutedHeader{Height: 1, Batches: make([]chain.BatchResult, chain.EntriesPerBlockMax)}
	apply(t, s, func(c *store.Changes) {
		store.WriteHeader(c, 1, codec.AppendHeader(nil, header))
		for i := range uint32(chain.EntriesPerBlockMax) {
			loc := chain.Location{Height: 1, Index: i, Segment: uint64(i / 40), Bytes: 1000 - i}
			store.WritePlace(c, 1, i, codec.AppendLocation(nil, loc))
		}
	})
	read := map[uint64]uint32{}
	h := history.New(s, func(at chain.Location) ([]byte, error) { read[at.Segment] += at.Bytes; return nil, nil })
	if at, err := h.Retained(1, 1); err != nil || at != 1 {
		t.Fatal(at, err)
	}
	if len(read) != 2 || read[0] != 1000-39 || read[1] != 1000-59 {
		t.Errorf("read %v", read)
	}
}

func TestRetainedFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	l := layout{{1}, {2}, {3}, {4}, {5}, {6}}
	s := memstore.New()
	apply(t, s, l.write)
	for failing := range chain.Height(6) {
		h := history.New(s, func(at chain.Location) ([]byte, error) {
			if at.Height > failing {
				return nil, broken
			}
			return nil, fault.New(fault.Pruned, "recycled")
		})
		if _, err := h.Retained(1, 6); !errors.Is(err, broken) {
			t.Errorf("failing above %d: %v", failing, err)
		}
	}
}
