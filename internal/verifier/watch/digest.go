// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// BucketCount is how many sums rows are spread over.
const BucketCount = 1 << 16

// KeyBytes is the size of a run's secret.
const KeyBytes = 32

// sum is one modulo 2^128.
type sum struct{ lo, hi uint64 }

func (s sum) plus(t sum) sum {
	lo, carry := bits.Add64(s.lo, t.lo, 0)
	hi, _ := bits.Add64(s.hi, t.hi, carry)
	return sum{lo, hi}
}

func (s sum) negative() sum {
	lo, borrow := bits.Sub64(0, s.lo, 0)
	hi, _ := bits.Sub64(0, s.hi, borrow)
	return sum{lo, hi}
}

// cell is what a bucket has: rows of the one side less those of the other, and the sums of their hashes likewise.
type cell struct {
	count int64
	sum   sum
}

func (c *cell) isZero() bool { return *c == cell{} }

func (c *cell) add(d *cell) {
	c.count += d.count
	c.sum = c.sum.plus(d.sum)
}

// hasher hashes rows under a run's key.
type hasher struct{ h *blake3.Hasher }

func newHasher(key [KeyBytes]byte) (hasher, error) {
	h, err := blake3.NewKeyed(key[:])
	return hasher{h}, fault.Wrap(fault.Internal, err, "make a keyed hash")
}

// row is the bucket of a row, which its id alone decides, and the hash of all of it.
func (h hasher) row(id *ID, content []byte) (bucket uint16, s sum) {
	var out [16]byte
	name := id.bytes()
	h.digest(out[:], 0, name[:], nil)
	bucket = binary.LittleEndian.Uint16(out[:])
	h.digest(out[:], 1, name[:], content)
	return bucket, sum{binary.LittleEndian.Uint64(out[:]), binary.LittleEndian.Uint64(out[8:])}
}

func (h hasher) digest(out []byte, what byte, name, content []byte) {
	h.h.Reset()
	_, _ = h.h.Write([]byte{what}) // a hash takes everything
	_, _ = h.h.Write(name)
	_, _ = h.h.Write(content)
	_, _ = h.h.Digest().Read(out)
}
