// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// sampleBatch is a client batch of n legs, each of them different.
func sampleBatch(n int) []byte {
	legs := make([]chain.Leg, n)
	for i := range legs {
		legs[i] = chain.Leg{From: chain.AccountNo(i + 1), To: chain.AccountNo(i + 2), Asset: 1, Amount: chain.Units(uint64(i) * 7)}
	}
	b, err := chain.NewBatch(chain.BatchHeader{Chain: 1, Institution: 1, Key: 1, Sequence: 1, ValidUntil: 100}, legs)
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestSliceProvesEachLeg(t *testing.T) {
	for _, n := range []int{1, 2, 255, 256, 257, 4096, 8192} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			payload := sampleBatch(n)
			s, id := NewSlices(payload)
			if id != Sum(payload) {
				t.Fatalf("root %s, Sum %s", id, Sum(payload))
			}
			for i := 0; i < n; i += 97 {
				checkLeg(t, s, id, payload, uint32(i))
			}
			checkLeg(t, s, id, payload, uint32(n-1))

			front, err := s.Slice(0, chain.BatchHeaderBytes)
			if err != nil {
				t.Fatal(err)
			}
			header, err := VerifySlice(front, 0, chain.BatchHeaderBytes, id)
			if err != nil || int(binary.LittleEndian.Uint32(header[28:])) != n {
				t.Fatalf("the header does not prove %d legs: %v", n, err)
			}
		})
	}
}

func checkLeg(t *testing.T, s *Slices, id chain.Hash, payload []byte, i uint32) {
	t.Helper()
	offset, length := LegSpan(i)
	slice, err := s.Slice(offset, length)
	if err != nil {
		t.Fatalf("leg %d: %v", i, err)
	}
	got, err := VerifySlice(slice, offset, length, id)
	if err != nil || !bytes.Equal(got, payload[offset:offset+length]) {
		t.Fatalf("leg %d of %d bytes is not proved: %v", i, len(payload), err)
	}
}

// Ranges of every place and size, also over the edges of groups.
func TestSliceAnyRange(t *testing.T) {
	payload := sampleBatch(2000)
	s, id := NewSlices(payload)
	rapid.Check(t, func(t *rapid.T) {
		offset := rapid.IntRange(0, len(payload)-1).Draw(t, "offset")
		length := rapid.IntRange(1, min(70_000, len(payload)-offset)).Draw(t, "length")
		slice, err := s.Slice(uint64(offset), uint64(length))
		if err != nil {
			t.Fatal(err)
		}
		got, err := VerifySlice(slice, uint64(offset), uint64(length), id)
		if err != nil || !bytes.Equal(got, payload[offset:offset+length]) {
			t.Fatalf("[%d,+%d): %v", offset, length, err)
		}
		at := rapid.IntRange(0, len(slice)-1).Draw(t, "at")
		bad := with(slice, at, slice[at]^byte(1<<rapid.IntRange(0, 7).Draw(t, "bit")))
		if got, err := VerifySlice(bad, uint64(offset), uint64(length), id); err == nil && (at >= 8 || !bytes.Equal(got, payload[offset:offset+length])) {
			t.Fatalf("a flipped bit at %d is not seen", at)
		}
	})
}

func TestSliceRefuses(t *testing.T) {
	payload := sampleBatch(1000)
	s, _ := NewSlices(payload)
	size := uint64(len(payload))
	for _, r := range [][2]uint64{{0, 0}, {size, 1}, {size - 1, 2}, {size + 1, 1}, {0, size + 1}, {^uint64(0), 1}, {^uint64(0), 2}, {1, ^uint64(0)}} {
		if _, err := s.Slice(r[0], r[1]); !fault.Is(err, fault.Invalid) {
			t.Errorf("slice [%d,+%d): %v", r[0], r[1], err)
		}
	}
	broken := &Slices{data: payload, outboard: s.outboard[:20]}
	if _, err := broken.Slice(0, 64); !fault.Is(err, fault.Internal) {
		t.Errorf("a broken outboard: %v", err)
	}
}

func TestVerifySliceRefuses(t *testing.T) {
	payload := sampleBatch(1000)
	s, id := NewSlices(payload)
	offset, length := LegSpan(600)
	slice, err := s.Slice(offset, length)
	if err != nil {
		t.Fatal(err)
	}
	other := id
	other[0] ^= 1
	for name, c := range map[string]struct {
		slice          []byte
		offset, length uint64
		id             chain.Hash
		kind           fault.Kind
	}{
		"tampered data":    {with(slice, len(slice)-1, slice[len(slice)-1]^1), offset, length, id, fault.Corrupt},
		"tampered parent":  {with(slice, 8, slice[8]^1), offset, length, id, fault.Corrupt},
		"other id":         {slice, offset, length, other, fault.Corrupt},
		"other group":      {slice, 0, length, id, fault.Corrupt},
		"longer range":     {slice, offset, 20_000, id, fault.Corrupt},
		"truncated":        {slice[:len(slice)-1], offset, length, id, fault.Corrupt},
		"only a length":    {slice[:8], offset, length, id, fault.Corrupt},
		"nothing":          {nil, offset, length, id, fault.Corrupt},
		"a byte too many":  {append(slices.Clone(slice), 0), offset, length, id, fault.Corrupt},
		"past its length":  {slice, uint64(len(payload)), length, id, fault.Corrupt},
		"empty range":      {slice, offset, 0, id, fault.Invalid},
		"oversized slice":  {make([]byte, sliceBytesMax+1), offset, length, id, fault.Invalid},
		"oversized range":  {slice, 0, sliceBytesMax + 1, id, fault.Invalid},
		"wrapping range":   {slice, ^uint64(0) - 10, 20, id, fault.Invalid},
		"wrapping range 2": {slice, 100, ^uint64(0) - 49, id, fault.Invalid},
	} {
		if got, err := VerifySlice(c.slice, c.offset, c.length, c.id); !fault.Is(err, c.kind) || got != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Another place in the same group verifies too, but gives the bytes of that place: a slice proves its whole groups.
	got, err := VerifySlice(slice, offset+chain.LegBytes, length, id)
	if err != nil || !bytes.Equal(got, payload[offset+chain.LegBytes:][:length]) {
		t.Errorf("the next leg of the same group: %v", err)
	}
}

// The length in front of a slice is only a hint about the tree's shape. A liar who names another length of the same shape
// is not caught, so nothing may be concluded from it: a leg count comes from a slice of the header, an outcome count from
// the executed header.
func TestSliceDoesNotProveLength(t *testing.T) {
	payload := sampleBatch(1000) // 65,024 bytes: four groups, and a slice of the first says nothing of where the fourth ends
	s, id := NewSlices(payload)
	slice, err := s.Slice(LegSpan(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, lie := range []uint64{32<<10 + 1, 48 << 10, 64 << 10} {
		got, err := VerifySlice(with(slice, 0, binary.LittleEndian.AppendUint64(nil, lie)...), 1024, 64, id)
		if err != nil || !bytes.Equal(got, payload[1024:1088]) {
			t.Errorf("length %d: this test documents that it passes, and proves the same bytes: %v", lie, err)
		}
	}
	for _, lie := range []uint64{0, 64, 16 << 10, 32 << 10, 64<<10 + 1, 1 << 40, ^uint64(0)} {
		if _, err := VerifySlice(with(slice, 0, binary.LittleEndian.AppendUint64(nil, lie)...), 1024, 64, id); !fault.Is(err, fault.Corrupt) {
			t.Errorf("length %d makes a tree of another shape: %v", lie, err)
		}
	}
}

func TestSliceOfNothing(t *testing.T) {
	s, id := NewSlices(nil)
	if id != Sum(nil) {
		t.Errorf("root %s, Sum %s", id, Sum(nil))
	}
	if _, err := s.Slice(0, 1); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}

func TestSlicesRootIsSum(t *testing.T) {
	for _, n := range []int{1, 1023, 1024, 1025, 16 << 10, 16<<10 + 1, 32 << 10, 48<<10 - 1, 100_000, 1 << 20} {
		if _, id := NewSlices(run(1, n)); id != Sum(run(1, n)) {
			t.Errorf("%d bytes: the Bao root is not Sum", n)
		}
	}
}
