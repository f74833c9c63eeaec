// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"math"
	"slices"
	"testing"
)

// TestRateSearch searches on machines that keep all rates up to some limit.
func TestRateSearch(t *testing.T) {
	for _, c := range []struct {
		name        string
		peak, limit float64
		tried       []float64
		measured    float64
	}{
		{"all the peak", 100, 100, []float64{90, 99, 108.9, 103.95, 101.475}, 99},
		{"less", 100, 80, []float64{90, 72, 81, 76.5, 78.75}, 78.75},
		{"close by at once", 100, 97, []float64{90, 99, 94.5, 96.75}, 96.75},
		{"far less", 100, 40, []float64{90, 72, 57.6, 46.08, 36.864}, 36.864},
		{"a quarter", 100, 25, []float64{90, 72, 57.6, 46.08, 36.864, 29.4912, 23.59296}, 23.59296},
		{"none", 100, 1, []float64{90, 72, 57.6, 46.08, 36.864, 29.4912, 23.59296, 18.874368, 15.0994944, 12.07959552, 9.663676416}, 4.831838208},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newRateSearch(c.peak)
			var tried []float64
			for n := 1; s.goesOn(n); n++ {
				tried = append(tried, s.rate)
				s.next(s.rate <= c.limit)
			}
			near := func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }
			if !slices.EqualFunc(tried, c.tried, near) || !near(s.measure(), c.measured) {
				t.Errorf("tried %v and measures %v, want %v and %v", tried, s.measure(), c.tried, c.measured)
			}
		})
	}
}
