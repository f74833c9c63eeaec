// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"slices"
	"time"
)

// sample is one batch's latency; it counts once for each of its legs.
type sample struct {
	latency time.Duration
	legs    int
}

// percentiles weighs samples by their legs.
func percentiles(samples []sample) Percentiles {
	slices.SortFunc(samples, func(a, b sample) int { return int(a.latency - b.latency) })
	total := 0
	for _, s := range samples {
		total += s.legs
	}
	at := func(q float64) float64 {
		rank := int(q * float64(total))
		for _, s := range samples {
			if rank -= s.legs; rank < 0 {
				return float64(s.latency.Microseconds()) / 1000
			}
		}
		return 0
	}
	return Percentiles{P50: at(0.5), P99: at(0.99), P999: at(0.999)}
}
