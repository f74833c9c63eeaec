// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// TestNoFalseReverse: 400 hours of traffic in which V11 is no worse than it may be, looked at each second. In a third of the runs it is exactly at
// a limit, which is as near to worse as it can be.
func TestNoFalseReverse(t *testing.T) {
	const runMinutes, halves = 24, 2
	hours := 400
	if testing.Short() {
		hours = 40
	}
	runs := hours * 60 / runMinutes
	var reversed, highest [halves]float64
	t.Run("runs", func(t *testing.T) {
		for half := range uint64(halves) {
			t.Run(fmt.Sprint(half), func(t *testing.T) {
				t.Parallel()
				for run := half; run < uint64(runs); run += halves {
					rule, most := innocentRun(run, runMinutes*60)
					highest[half] = max(highest[half], most)
					if rule != "" {
						reversed[half]++
						t.Logf("run %d: %s", run, rule)
					}
				}
			})
		}
	})
	p := Default()
	total := reversed[0] + reversed[1]
	t.Logf("%d simulated hours in %d runs: %g false reverses; highest evidence %.0f, stop %.0f", hours, runs, total, max(highest[0], highest[1]), p.stop())
	if total*1000 > float64(runs) {
		t.Errorf("%g false reverses in %d runs, at most 0.1 %%", total, runs)
	}
}

// innocentRun says what reversed it, if anything, and the highest evidence at the ends of its minutes.
func innocentRun(run uint64, seconds int) (rule string, highest float64) {
	p := Default()
	s, before := innocent(run)
	a := Begin(&p, int(run%uint64(len(p.Steps))), before)
	for second := range seconds {
		o := s.next()
		if rule := look(a, &p, &o); rule != "" {
			return rule, highest
		}
		if second%60 == 59 {
			highest = max(highest, a.Errors.shown(), a.Wrong.shown(), a.Slow.shown(), a.Slower.shown())
		}
	}
	return "", highest
}

// innocent is traffic of two sides that are alike, or in every third run as far apart as the plan allows.
func innocent(seed uint64) (*traffic, Reference) {
	rng := newRNG(seed)
	pick := func(of ...float64) float64 { return of[rng.IntN(len(of))] }
	base := truth{errors: pick(0, 0.0001, 0.0005, 0.002), slow: pick(0.001, 0.004, 0.009, 0.01), slowRail: 0.0005, wrong: pick(0, 0.00005, 0.001)}
	s := &traffic{rng: rng, canary: base, control: base, perSecond: int(50 * math.Pow(10, rng.Float64())), controlShare: pick(1, 1, 0.3)}
	if seed%3 == 0 {
		s.canary.errors += 0.001
		s.canary.wrong += 0.0001
		s.canary.slow = 0.01
	}
	return s, reference(rng, 200_000, max(base.slow, s.canary.slow-0.005))
}

// TestFound: one request in a hundred of V11's ends in an error from some minute on; and what else can be wrong with it.
func TestFound(t *testing.T) {
	good := truth{errors: 0.0005, slow: 0.004, slowRail: 0.0005}
	with := func(change func(*truth)) truth { b := good; change(&b); return b }
	for _, c := range []struct {
		name       string
		bad        truth
		perSecond  []int
		noRails    bool
		medianMost uint64 // seconds
	}{
		{"1 % errors", with(func(b *truth) { b.errors = 0.01 }), []int{50, 100, 200, 500}, false, 59},
		{"1 %, no rails", with(func(b *truth) { b.errors = 0.01 }), []int{50, 100, 200, 500}, true, 59},
		{"1 %, no rails, 50/s", with(func(b *truth) { b.errors = 0.01 }), []int{50}, true, 120},
		{"5 %, no rails", with(func(b *truth) { b.errors = 0.05 }), []int{50, 100, 200, 500}, true, 15},
		{"all errors, no rails", with(func(b *truth) { b.errors = 1 }), []int{50, 500}, true, 8},
		{"0.3 % wrong", with(func(b *truth) { b.wrong = 0.003 }), []int{100, 200, 500}, false, 600},
		{"3 % slow", with(func(b *truth) { b.slow = 0.03 }), []int{50, 100, 200, 500}, false, 60},
		{"2 % slow, from 0.4 %", with(func(b *truth) { b.slow = 0.02 }), []int{50, 100, 200, 500}, false, 120},
	} {
		const runs = 80
		var took []uint64
		rules := map[string]int{}
		for run := range uint64(runs) {
			rng := newRNG(run)
			s := &traffic{rng: rng, canary: good, control: good, perSecond: c.perSecond[rng.IntN(len(c.perSecond))], controlShare: 1}
			if rule, after := guiltyRun(t, s, &c.bad, c.noRails); rule != "" {
				rules[rule]++
				took = append(took, after)
			}
		}
		if len(took) < runs {
			t.Errorf("%s: found in %d of %d runs", c.name, len(took), runs)
			continue
		}
		slices.Sort(took)
		median := took[runs/2]
		t.Logf("%-22s median %3d s, 95 %% within %3d s; by %v", c.name, median, took[runs*95/100], rules)
		if median > c.medianMost {
			t.Errorf("%s: found after %d s (median), at most %d", c.name, median, c.medianMost)
		}
	}
}

// guiltyRun turns V11 bad at some second of half an hour, and says what found it how many seconds after; nothing if that takes an hour.
func guiltyRun(t *testing.T, s *traffic, bad *truth, noRails bool) (rule string, after uint64) {
	t.Helper()
	p := Default()
	if noRails {
		p.Rails.MinimumRequests = requestsMax
	}
	a := Begin(&p, 1, reference(s.rng, 200_000, s.control.slow))
	from := uint64(s.rng.IntN(1800)) * 1000
	for s.nowMs < from+3_600_000 {
		if s.nowMs == from {
			s.canary = *bad
		}
		o := s.next()
		if rule := look(a, &p, &o); rule != "" {
			if s.nowMs <= from {
				t.Fatalf("%s before anything was wrong", rule)
			}
			return rule, (s.nowMs - from) / 1000
		}
	}
	return "", 0
}
