// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func anyLeg() *rapid.Generator[Leg] {
	return rapid.Custom(func(t *rapid.T) Leg {
		return Leg{
			From:      AccountNo(rapid.Uint32().Draw(t, "from")),
			To:        AccountNo(rapid.Uint32().Draw(t, "to")),
			Asset:     AssetNo(rapid.Uint32().Draw(t, "asset")),
			Kind:      LegKind(rapid.Uint8().Draw(t, "kind")),
			Arg:       rapid.Uint32Range(0, legArgMax).Draw(t, "arg"),
			Amount:    anyAmount().Draw(t, "amount"),
			Reference: [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "reference")),
		}
	})
}

func anyBatchHeader() *rapid.Generator[BatchHeader] {
	return rapid.Custom(func(t *rapid.T) BatchHeader {
		return BatchHeader{
			Flags:       BatchFlags(rapid.Uint16Range(0, uint16(FlagAtomic)).Draw(t, "flags")),
			Chain:       ChainID(rapid.Uint64().Draw(t, "chain")),
			Institution: InstitutionNo(rapid.Uint32().Draw(t, "institution")),
			Key:         KeyNo(rapid.Uint32().Draw(t, "key")),
			Channel:     rapid.Uint8().Draw(t, "channel"),
			Sequence:    rapid.Uint64().Draw(t, "sequence"),
			ValidUntil:  Height(rapid.Uint64().Draw(t, "valid until")),
		}
	})
}

func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, legs := anyBatchHeader().Draw(t, "header"), rapid.SliceOfN(anyLeg(), 1, 20).Draw(t, "legs")
		made, err := NewBatch(h, legs)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseBatch(made.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		h.Legs = uint32(len(legs))
		if b.Header() != h || b.Len() != len(legs) || len(b.Records()) != len(legs)*LegBytes {
			t.Fatalf("header %+v became %+v with %d legs", h, b.Header(), b.Len())
		}
		for i, l := range legs {
			if b.Leg(i) != l || ReadLeg(b.Records()[i*LegBytes:]) != l {
				t.Fatalf("leg %d: %+v became %+v", i, l, b.Leg(i))
			}
		}
	})
}

func TestParseBatchErrors(t *testing.T) {
	good, err := NewBatch(goldenHeader(), goldenLegs())
	if err != nil {
		t.Fatal(err)
	}
	with := func(at int, v byte) []byte {
		raw := slices.Clone(good.Bytes())
		raw[at] = v
		return raw
	}
	cases := map[string][]byte{
		"nothing":             nil,
		"a header alone":      good.Bytes()[:BatchHeaderBytes],
		"magic":               with(0, 'B'),
		"magic's version":     with(3, '2'),
		"version":             with(4, 2),
		"version, high byte":  with(5, 1),
		"unknown flag":        with(6, 3),
		"flag, high byte":     with(7, 1),
		"no legs":             with(28, 0),
		"one leg too many":    with(28, 5),
		"legs, high byte":     with(31, 1),
		"padding by channel":  with(25, 1),
		"padding by channel2": with(26, 1),
		"padding by channel3": with(27, 1),
		"padding, first":      with(batchHeaderUsed, 1),
		"padding, last":       with(BatchHeaderBytes-1, 1),
		"a byte too long":     append(with(0, 'A'), 0),
		"a byte too short":    good.Bytes()[:len(good.Bytes())-1],
	}
	for name, raw := range cases {
		if _, err := ParseBatch(raw); !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != "batch_malformed" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseBatch(make([]byte, BatchBytesMax+1)); fault.ReasonOf(err) != "batch_oversized" {
		t.Errorf("oversized: %v", err)
	}
}

func TestBatchBounds(t *testing.T) {
	for n, ok := range map[int]bool{0: false, 1: true, BatchLegsMax: true, BatchLegsMax + 1: false} {
		b, err := NewBatch(BatchHeader{Legs: 3}, make([]Leg, n))
		if ok && (err != nil || b.Len() != n || b.Header().Legs != uint32(n)) {
			t.Errorf("%d legs: %v", n, err)
		}
		if !ok && !fault.Is(err, fault.Invalid) {
			t.Errorf("%d legs: %v, want Invalid", n, err)
		}
	}
	if _, err := NewBatch(BatchHeader{Flags: 2}, make([]Leg, 1)); !fault.Is(err, fault.Invalid) {
		t.Errorf("unknown flag: %v, want Invalid", err)
	}
	if _, err := NewBatch(BatchHeader{}, []Leg{{Arg: legArgMax + 1}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("long argument: %v, want Invalid", err)
	}
}

func TestPutLegRefusesToCut(t *testing.T) {
	defer func() {
		var v *fault.Violation
		if err, _ := recover().(error); !errors.As(err, &v) {
			t.Error("an argument over 24 bits must break an invariant")
		}
	}()
	PutLeg(make([]byte, LegBytes), Leg{Arg: legArgMax + 1})
}

func FuzzParseBatch(f *testing.F) {
	good, err := NewBatch(goldenHeader(), goldenLegs())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add(good.Bytes()[:BatchHeaderBytes])
	f.Add(append(slices.Clone(good.Bytes()), 0))
	f.Add([]byte("AUB1"))
	f.Add(goldenCopy(f).Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := ParseBatch(raw)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		h := b.Header()
		if int(h.Legs) != b.Len() {
			t.Fatalf("%d legs, Len %d", h.Legs, b.Len())
		}
		legs := make([]Leg, b.Len())
		for i := range legs {
			legs[i] = b.Leg(i)
		}
		again, err := NewBatch(h, legs)
		if h.Flags&FlagSync != 0 {
			again, err = NewSyncBatch(h, b.SyncHead(), legs)
		}
		if err != nil || !bytes.Equal(again.Bytes(), raw) {
			t.Fatalf("the bytes are not canonical: %v", err)
		}
		for _, l := range legs {
			if a, ok := l.Opens(); ok && a.Leg() != l {
				t.Fatalf("%+v is not what opens %+v", l, a)
			}
			if c, ok := l.Chunk(); ok && c.Leg() != l {
				t.Fatalf("%+v is not the piece %+v", l, c)
			}
		}
	})
}

func BenchmarkReadBatch(b *testing.B) {
	batch, err := NewBatch(BatchHeader{Chain: 1, Sequence: 1}, make([]Leg, BatchLegsMax))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(BatchBytesMax)
	b.ReportAllocs()
	var total uint64
	for b.Loop() {
		p, err := ParseBatch(batch.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		total += p.Header().Sequence
		for r := p.Records(); len(r) > 0; r = r[LegBytes:] {
			l := ReadLeg(r)
			total += uint64(l.From) + l.Amount.Lo
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*BatchLegsMax), "ns/leg")
}

func BenchmarkNewBatch(b *testing.B) {
	legs := make([]Leg, BatchLegsMax)
	b.SetBytes(BatchBytesMax)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewBatch(BatchHeader{Chain: 1}, legs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*BatchLegsMax), "ns/leg")
}
