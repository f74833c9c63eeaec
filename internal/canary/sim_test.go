// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"math"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// truth is what a simulated side is really like: shares of its requests.
type truth struct{ errors, slow, slowRail, wrong float64 }

// traffic makes windows of one second.
type traffic struct {
	rng             *rand.Rand
	canary, control truth
	perSecond       int
	controlShare    float64
	nowMs           uint64
}

func newRNG(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6a09e667f3bcc908)) }

// binomial draws by the gaps between successes, so it costs as much as there are.
func binomial(rng *rand.Rand, n uint64, p float64) (k uint64) {
	if p <= 0 || n == 0 {
		return 0
	}
	if p >= 1 {
		return n
	}
	for at := uint64(0); ; k++ {
		gap := math.Log(1-rng.Float64()) / math.Log1p(-p)
		if gap >= float64(n-at) {
			return k
		}
		at += uint64(gap) + 1
		if at >= n {
			return k + 1
		}
	}
}

func (s *traffic) counts(n uint64, t *truth) Counts {
	c := Counts{Requests: n, Errors: binomial(s.rng, n, t.errors), Slow: binomial(s.rng, n, t.slow), Compared: n / 10}
	c.SlowRail = binomial(s.rng, c.Slow, t.slowRail/max(t.slow, 1e-12))
	c.Wrong = binomial(s.rng, c.Compared, t.wrong)
	return c
}

// next is a second's observation; the number of requests changes from second to second.
func (s *traffic) next() Observation {
	n := uint64(s.perSecond/2 + s.rng.IntN(s.perSecond+1))
	n0 := uint64(float64(s.perSecond/2+s.rng.IntN(s.perSecond+1)) * s.controlShare)
	o := calm(s.nowMs, s.nowMs+1000)
	o.Canary, o.Control = s.counts(n, &s.canary), s.counts(n0, &s.control)
	s.nowMs += 1000
	return o
}

// calm is an observation in which all that can be measured is good, without requests.
func calm(from, to uint64) Observation {
	return Observation{FromMs: from, ToMs: to, Health: HealthUp, SyncLag: Gauge{true, 20}, Hold: Gauge{true, 50}}
}

// look does what Observe does up to a reverse; a verdict's words take longer than its sums.
func look(a *Analysis, p *Plan, o *Observation) (rule string) {
	a.take(p, o)
	if rule, _ = a.rails(p, o); rule == "" {
		rule, _ = a.tests(p)
	}
	return rule
}

// reference draws what a step before saw.
func reference(rng *rand.Rand, n uint64, slow float64) Reference {
	return Reference{Requests: n, Slow: binomial(rng, n, slow)}
}

// TestBinomial: the generator's mean and variance are those of a binomial, or all that follows is worth nothing.
func TestBinomial(t *testing.T) {
	rng := newRNG(1)
	for _, c := range []struct {
		n uint64
		p float64
	}{{1, 0.5}, {50, 0.01}, {500, 0.0005}, {300, 0.7}, {10, 0}, {10, 1}} {
		const draws = 40_000
		var sum, squares float64
		for range draws {
			k := float64(binomial(rng, c.n, c.p))
			sum += k
			squares += k * k
		}
		mean, variance := sum/draws, squares/draws-sum*sum/draws/draws
		wantMean, wantVar := float64(c.n)*c.p, float64(c.n)*c.p*(1-c.p)
		if math.Abs(mean-wantMean) > 5*math.Sqrt(wantVar/draws)+1e-9 || math.Abs(variance-wantVar) > 0.1*wantVar+1e-9 {
			t.Errorf("n=%d p=%g: mean %g, variance %g; want %g, %g", c.n, c.p, mean, variance, wantMean, wantVar)
		}
	}
}
