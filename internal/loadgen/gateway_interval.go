// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"math"
	"slices"
	"time"
)

// Interval is a median and what it lies in with at least 95 % confidence, whatever the values' distribution: between two of them, by
// rank. With fewer than six values it is the least and the greatest, and says less.
type Interval struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// confidence is of an Interval.
const confidence = 0.95

// medianOf is the median of values and its interval. No values: nothing.
func medianOf(values []float64) Interval {
	n := len(values)
	if n == 0 {
		return Interval{}
	}
	sorted := slices.Sorted(slices.Values(values))
	below := rankBelow(n)
	return Interval{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Low: sorted[below], High: sorted[n-1-below]}
}

// rankBelow is the greatest k such that the median lies between the values of ranks k and n-1-k, from 0, with confidence: fewer than
// k+1 of n fair coins show heads in at most half of what is left of one.
func rankBelow(n int) int {
	tail, term := 0.0, math.Pow(0.5, float64(n)) // P(heads = 0)
	for k := 0; ; k++ {
		if tail += term; tail > (1-confidence)/2 || k >= n/2 {
			return max(0, k-1)
		}
		term *= float64(n-k) / float64(k+1)
	}
}

// quantile is the value below which a share of sorted durations lies.
func quantile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
