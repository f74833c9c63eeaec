// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// probability is that of k of n, each with p.
func probability(n, k uint64, p float64) float64 {
	if p <= 0 || p >= 1 {
		if (p <= 0 && k == 0) || (p >= 1 && k == n) {
			return 1
		}
		return 0
	}
	ways := logFactorial(float64(n)) - logFactorial(float64(k)) - logFactorial(float64(n-k))
	return math.Exp(ways + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

// TestExpectation adds up all that can happen in a window: whatever was bet on, the stake does not grow on average if the canary is no worse than it
// may be. It looks most closely at rates on the limit, from below the forecast to the rate that was bet on: there nothing is left over.
func TestExpectation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, n0 := rapid.Uint64Range(0, 12).Draw(t, "n"), rapid.Uint64Range(1, 40).Draw(t, "n0")
		margin := float64(rapid.SampledFrom([]int{0, 1, 10, 300, 2000, 5000}).Draw(t, "margin")) / basis
		q0 := rapid.SampledFrom([]float64{1e-4, 0.01, 0.1, forecastMax}).Draw(t, "forecast")
		part := rapid.SampledFrom([]float64{1, 1, 1, 0.9, 0.1, 0}).Draw(t, "part of the limit")
		limit := max(margin, 1/basis)
		for _, m := range multiples {
			q := above(q0+margin, m)
			for i := range 60 {
				p0 := min(1, q0/2*math.Pow(2*q/q0, float64(i)/59))
				if over := expectOver(n, n0, min(1, p0+margin)*part, p0, q0, q, margin); over > 1+1e-9 || math.IsNaN(over) {
					t.Fatalf("%g times as high, %g in the control: expectation %g", m, p0, over)
				}
			}
			alone := 0.0
			for k := range n + 1 {
				alone += probability(n, k, limit*part) * math.Exp(gainAlone(portion{k, n}, above(limit, m), limit))
			}
			if alone > 1+1e-9 || math.IsNaN(alone) {
				t.Fatalf("%g times as high, without a control: expectation %g", m, alone)
			}
		}
	})
}

// expectOver is the expectation of a window's e-value with a control, for the true rates p and p0.
func expectOver(n, n0 uint64, p, p0, q0, q, margin float64) (sum float64) {
	for k := range n + 1 {
		for k0 := range n0 + 1 {
			sum += probability(n, k, p) * probability(n0, k0, p0) * math.Exp(gainOver(portion{k, n}, portion{k0, n0}, q0, q, margin))
		}
	}
	return sum
}

// TestWeights: a start and all restarts together stake no more than 1.
func TestWeights(t *testing.T) {
	e := newEvidence()
	e.restart(100_000)
	if stake := math.Exp(e.log()); stake > 1 || stake < 0.9 {
		t.Errorf("stake %g", stake)
	}
}

// TestPeeks: however often somebody looks, no more than the share that the plan allows is reversed where V11 is exactly at its limits.
func TestPeeks(t *testing.T) {
	const runs, seconds, ppm = 250, 600, 50_000
	for name, stride := range map[string]func(s *traffic) int{
		"each second": func(*traffic) int { return 1 },
		"every 7":     func(*traffic) int { return 7 },
		"each minute": func(*traffic) int { return 60 },
		"at random":   func(s *traffic) int { return 1 + s.rng.IntN(60) },
	} {
		p := Default()
		p.Tests.FalseAlarmPPM = ppm
		reversed := 0
		for run := range uint64(runs) {
			base := truth{errors: 0.002, slow: 0.01, wrong: 0.001}
			s := &traffic{rng: newRNG(run), canary: base, control: base, perSecond: 100, controlShare: 1}
			s.canary.errors += 0.001
			s.canary.wrong += 0.0001
			a := Begin(&p, 1, reference(s.rng, 50_000, 0.005))
			for s.nowMs < seconds*1000 {
				o := s.next()
				for range stride(s) - 1 {
					more := s.next()
					o.ToMs = more.ToMs
					o.Canary.add(&more.Canary)
					o.Control.add(&more.Control)
				}
				if look(a, &p, &o) != "" {
					reversed++
					break
				}
			}
		}
		t.Logf("%-11s %d of %d reversed", name, reversed, runs)
		if most := runs * ppm / 1e6; float64(reversed) > most+3*math.Sqrt(most) {
			t.Errorf("%s: %d of %d reversed, at most %g", name, reversed, runs, most)
		}
	}
}

// TestSharedFault: what strikes both sides at the same time is not the canary's.
func TestSharedFault(t *testing.T) {
	p := Default()
	p.Rails.ErrorRateBP = weightWhole - 1
	for run := range uint64(50) {
		good := truth{errors: 0.0005, slow: 0.004}
		s := &traffic{rng: newRNG(run), canary: good, control: good, perSecond: 200, controlShare: 1}
		a := Begin(&p, 1, Reference{})
		for s.nowMs < 600_000 {
			errors := good.errors
			if s.nowMs/100_000%2 == 1 {
				errors = 0.2
			}
			s.canary.errors, s.control.errors = errors, errors
			o := s.next()
			if rule := look(a, &p, &o); rule != "" {
				t.Fatalf("run %d: %s at %d ms", run, rule, s.nowMs)
			}
		}
	}
}

// TestOneWindow: whatever happens in one window, it alone does not convince.
func TestOneWindow(t *testing.T) {
	p := Default()
	a := Begin(&p, 1, Reference{1_000_000, 1000})
	o := calm(0, 1000)
	o.Canary, o.Control = Counts{Requests: 500, Slow: 500, Errors: 500, Compared: 500, Wrong: 500}, Counts{Requests: 500, Compared: 500}
	if rule := look(a, &p, &o); rule != "" {
		t.Errorf("one window: %s", rule)
	}
	for windows := 2; ; windows++ {
		o.FromMs, o.ToMs = o.ToMs, o.ToMs+1000
		if look(a, &p, &o) != "" {
			t.Logf("all bad: found in %d windows", windows)
			break
		}
		if windows == 6 {
			t.Fatal("all bad for six windows, and nothing found")
		}
	}
}

// TestUpperRate: counting may stop whenever it looks best, and still the bound is above the truth.
func TestUpperRate(t *testing.T) {
	const runs, alpha, truth = 400, 0.05, 0.01
	missed := 0
	for run := range uint64(runs) {
		rng := newRNG(run)
		lowest, seen := 1.0, portion{}
		for range 200 {
			seen = seen.plus(portion{binomial(rng, 50, truth), 50})
			lowest = min(lowest, upperRate(seen, alpha))
		}
		if lowest < truth {
			missed++
		}
	}
	if float64(missed) > runs*alpha {
		t.Errorf("the bound was below the truth in %d of %d runs", missed, runs)
	}
	if got := upperRate(portion{1000, 1_000_000}, 0.001); got < 0.001 || got > 0.0013 {
		t.Errorf("1000 of a million: at most %g, useless or wrong", got)
	}
	if upperRate(portion{}, 0.001) != 1 || upperRate(portion{5, 5}, 0.001) != 1 {
		t.Error("nothing seen, and a bound below 1")
	}
}
