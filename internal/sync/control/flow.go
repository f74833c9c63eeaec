// SPDX-License-Identifier: Apache-2.0

package control

import "time"

// flowSeconds is the window of Flow.
const flowSeconds = 10

// Flow counts by second. It is for one goroutine, or under its owner's lock.
type Flow struct {
	second  [flowSeconds + 1]int64
	counted [flowSeconds + 1]uint64
}

// Add counts n.
func (f *Flow) Add(now time.Time, n uint64) {
	s := now.Unix()
	i := s % int64(len(f.second))
	if f.second[i] != s {
		f.second[i], f.counted[i] = s, 0
	}
	f.counted[i] += n
}

// PerSecond is over the last whole seconds.
func (f *Flow) PerSecond(now time.Time) float64 {
	sum, s := uint64(0), now.Unix()
	for i, at := range f.second {
		if at < s && at >= s-flowSeconds {
			sum += f.counted[i]
		}
	}
	return float64(sum) / flowSeconds
}
