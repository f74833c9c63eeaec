// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"math"
	"testing"
	"time"
)

// tracked are points of a way at a steady rate, whose applied position is late by what lag says.
func tracked(perS float64, length time.Duration, lag func(time.Duration) time.Duration) (points []point) {
	made := func(at time.Duration) uint64 { return uint64(max(0, at.Seconds()) * 1000) } // a position a millisecond
	for at := time.Duration(0); at < length; at += trackEvery {
		p := point{at: at}
		p.head[V10], p.applied[V10], p.acked[V10] = made(at), made(at-lag(at)), int(at.Seconds()*perS)
		p.head[V11], p.applied[V11], p.acked[V11] = p.head[V10], p.head[V10], p.acked[V10]
		points = append(points, p)
	}
	return points
}

func TestWayOf(t *testing.T) {
	const perS, length = 5000, 6 * time.Second
	for name, test := range map[string]struct {
		lag      func(time.Duration) time.Duration
		kept     bool
		p50, max float64
		applied  float64
	}{
		"in step":       {func(time.Duration) time.Duration { return 0 }, true, 0, 0, perS},
		"a little late": {func(time.Duration) time.Duration { return 100 * time.Millisecond }, true, 100, 100, perS},
		"too late":      {func(time.Duration) time.Duration { return 1200 * time.Millisecond }, false, 1200, 1200, perS * 0.96},
		"piling up":     {func(at time.Duration) time.Duration { return at / 5 }, false, 700, 1200, perS * 0.8},
		"stuck":         {func(at time.Duration) time.Duration { return at }, false, 3500, 6000, 0},
	} {
		w := wayOf(tracked(perS, length, test.lag), V10, 0, length)
		near := func(got, want, by float64) bool { return math.Abs(got-want) <= by }
		if w.kept(perS) != test.kept || !near(w.LagP50Ms, test.p50, 60) || !near(w.LagMaxMs, test.max, 60) || !near(w.AppliedPerS, test.applied, perS/50) || !near(w.AckedPerS, perS, perS/100) {
			t.Errorf("%s: kept %v, %+v", name, w.kept(perS), w)
		}
	}
	s := stepOf(both[:], perS, 100, tracked(perS, length, func(time.Duration) time.Duration { return 2 * time.Second }), 0, length)
	if s.Kept || !s.V11ToV10.kept(perS) {
		t.Errorf("one way alone does not keep a rate: %+v", s)
	}
	if w := wayOf(nil, V10, 0, length); w.kept(perS) {
		t.Error("nothing seen is nothing kept")
	}
}
