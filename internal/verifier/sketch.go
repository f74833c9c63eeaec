// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"encoding/binary"
	"math/bits"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// bucketsMax is how many sums a sketch has.
const bucketsMax = 1 << 16

// Sketch is a sum over any number of cells in a fixed memory: of coefficient times amount by bucket, modulo 2^128. Bucket and coefficient
// of a cell follow from a keyed hash. What is added and taken away again leaves nothing; anything else leaves something in the cell's
// bucket: surely if one cell of a bucket differs, since coefficients are odd, and but for a chance of 2^-47 if several do.
type Sketch struct {
	sums [bucketsMax]chain.Amount
}

func bucketOf(cell uint64) uint16 { return uint16(cell >> 48) }

// Add adds an amount of a cell.
func (s *Sketch) Add(cell uint64, a chain.Amount) {
	p := product(cell, a)
	sum := &s.sums[bucketOf(cell)]
	var carry uint64
	sum.Lo, carry = bits.Add64(sum.Lo, p.Lo, 0)
	sum.Hi, _ = bits.Add64(sum.Hi, p.Hi, carry)
}

// Take takes an amount of a cell away.
func (s *Sketch) Take(cell uint64, a chain.Amount) {
	p := product(cell, a)
	sum := &s.sums[bucketOf(cell)]
	var borrow uint64
	sum.Lo, borrow = bits.Sub64(sum.Lo, p.Lo, 0)
	sum.Hi, _ = bits.Sub64(sum.Hi, p.Hi, borrow)
}

func product(cell uint64, a chain.Amount) chain.Amount {
	c := spread(cell) | 1
	hi, lo := bits.Mul64(c, a.Lo)
	return chain.Amount{Lo: lo, Hi: hi + c*a.Hi}
}

// Buckets are those that hold something.
func (s *Sketch) Buckets() *Buckets {
	b := &Buckets{}
	for i := range s.sums {
		if !s.sums[i].IsZero() {
			b.set[i/64] |= 1 << (i % 64)
			b.Count++
		}
	}
	return b
}

// sketchBytes is the size of a sketch as it is kept.
const sketchBytes = bucketsMax * 16

func (s *Sketch) append(b []byte) []byte {
	for i := range s.sums {
		b = binary.LittleEndian.AppendUint64(b, s.sums[i].Lo)
		b = binary.LittleEndian.AppendUint64(b, s.sums[i].Hi)
	}
	return b
}

func (s *Sketch) read(b []byte) ([]byte, error) {
	if len(b) < sketchBytes {
		return nil, fault.New(fault.Corrupt, "a sketch ends early")
	}
	for i := range s.sums {
		s.sums[i] = chain.Amount{Lo: binary.LittleEndian.Uint64(b[16*i:]), Hi: binary.LittleEndian.Uint64(b[16*i+8:])}
	}
	return b[sketchBytes:], nil
}

// Marks is a sketch of rows that count by being there: all amounts are 1, and sums modulo 2^64.
type Marks struct {
	sums [bucketsMax]uint64
}

// Mark adds a row.
func (m *Marks) Mark(cell uint64) { m.sums[bucketOf(cell)] += spread(cell) | 1 }

// Unmark takes a row away.
func (m *Marks) Unmark(cell uint64) { m.sums[bucketOf(cell)] -= spread(cell) | 1 }

// join adds what others hold.
func (m *Marks) join(others *Marks) {
	for i, sum := range others.sums {
		m.sums[i] += sum
	}
}

// Buckets are those that hold something.
func (m *Marks) Buckets() *Buckets {
	b := &Buckets{}
	for i, sum := range m.sums {
		if sum != 0 {
			b.set[i/64] |= 1 << (i % 64)
			b.Count++
		}
	}
	return b
}

// marksBytes is the size of marks as they are kept.
const marksBytes = bucketsMax * 8

func (m *Marks) append(b []byte) []byte {
	for _, sum := range m.sums {
		b = binary.LittleEndian.AppendUint64(b, sum)
	}
	return b
}

func (m *Marks) read(b []byte) ([]byte, error) {
	if len(b) < marksBytes {
		return nil, fault.New(fault.Corrupt, "marks end early")
	}
	for i := range m.sums {
		m.sums[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return b[marksBytes:], nil
}

// Buckets is a set of buckets.
type Buckets struct {
	Count int
	set   [bucketsMax / 64]uint64
}

// Has reports whether a cell's bucket is one of them.
func (b *Buckets) Has(cell uint64) bool {
	i := bucketOf(cell)
	return b.set[i/64]>>(i%64)&1 != 0
}

// Keep leaves the first n of them in.
func (b *Buckets) Keep(n int) {
	for i := range b.set {
		for w := b.set[i]; w != 0; w &= w - 1 {
			if n--; n < 0 {
				b.set[i] &^= w & -w
				b.Count--
			}
		}
	}
}
