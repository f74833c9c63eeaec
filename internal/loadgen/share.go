// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"time"
)

// What benches in packages below this one share with those here.

// EachDue calls each when it is due, by begin, whatever became of those before.
func EachDue(ctx context.Context, begin time.Time, due []time.Duration, each func(i int) error) error {
	return eachDue(ctx, begin, due, each)
}

// Arrivals draws when requests are due within a duration: the gaps are exponential, and the same seed draws the same.
func Arrivals(seed uint64, perS float64, d time.Duration) []time.Duration {
	return arrivals(seed, perS, d)
}

// Steps are arrivals with equal gaps.
func Steps(perS float64, d time.Duration) []time.Duration { return steps(perS, d) }

// Quantile is that of sorted durations.
func Quantile(sorted []time.Duration, share float64) time.Duration { return quantile(sorted, share) }

// Milliseconds is a duration for a report.
func Milliseconds(d time.Duration) float64 { return milliseconds(d) }

// Machine describes where figures come from.
func Machine() string { return machine() }

// UsageOf is the CPU time that a process has used since it began, and the most memory that it had, in MB.
func UsageOf(pid int) (cpu time.Duration, rssMaxMB float64, err error) {
	u, err := usageOf(pid)
	return u.cpu, u.rssMaxMB, err
}
