// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

func BenchmarkSumFullBatch(b *testing.B) {
	payload := sampleBatch(chain.BatchLegsMax)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		Sum(payload)
	}
}

func BenchmarkNewSlices(b *testing.B) {
	payload := sampleBatch(chain.BatchLegsMax)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		NewSlices(payload)
	}
}

func BenchmarkSlice(b *testing.B) {
	s, _ := NewSlices(sampleBatch(chain.BatchLegsMax))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Slice(LegSpan(5000)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifySlice(b *testing.B) {
	s, id := NewSlices(sampleBatch(chain.BatchLegsMax))
	offset, length := LegSpan(5000)
	slice, err := s.Slice(offset, length)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(slice)), "slice-bytes")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := VerifySlice(slice, offset, length, id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeSignedTx(b *testing.B) {
	raw := AppendSignedTx(nil, sampleTx(sampleBodies()["transfer"]))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := DecodeSignedTx(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	h := sampleHeader()
	h.Batches = make([]chain.BatchResult, chain.EntriesPerBlockMax)
	buf := make([]byte, 0, 8<<10)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendHeader(buf[:0], h)
	}
}
