// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"math"
	"math/bits"
	"time"
)

// halfBits is the precision of a histogram: 2^halfBits steps for each doubling, so a value is off by less than 1/128.
const halfBits = 7

// histogram counts durations of up to 2^40 us in constant memory.
type histogram struct {
	counts [(40 - halfBits + 1) << halfBits]uint64
	total  uint64
}

// bucket is the place of a value: values below 2^(halfBits+1) have one each, later ones share it with their neighbours.
func bucket(us uint64) int {
	shift := max(0, bits.Len64(us)-halfBits-1)
	return shift<<halfBits + int(us>>shift)
}

// bucketTop is the highest value of a bucket.
func bucketTop(i int) uint64 {
	shift := max(0, i>>halfBits-1)
	return uint64(i-shift<<halfBits+1)<<shift - 1
}

func (h *histogram) add(d time.Duration) {
	i := bucket(uint64(max(0, d.Microseconds())))
	h.counts[min(i, len(h.counts)-1)]++
	h.total++
}

// at is the duration below or at which a part q of all lie, in milliseconds, rounded up by the precision; 0 for none.
func (h *histogram) at(q float64) float64 {
	rank := uint64(math.Ceil(q * float64(h.total)))
	for i, n := range h.counts {
		if n >= rank && n > 0 {
			return float64(bucketTop(i)) / 1000
		}
		rank -= min(n, rank)
	}
	return 0
}

func (h *histogram) percentiles() Percentiles {
	return Percentiles{P50: h.at(0.5), P99: h.at(0.99), P999: h.at(0.999)}
}
