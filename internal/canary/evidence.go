// SPDX-License-Identifier: Apache-2.0

package canary

import "math"

// multiples of the limit are the rates that a test has in mind when it bets that the canary's is above it: from a little worse to down.
var multiples = [betsCount]float64{2, 5, 15, 50, 300}

const betsCount = 5

const (
	// windowLogMax bounds the evidence of one window, whatever happened in it: requests of one second fail together, and the tests take them for independent.
	// An e-value cut at a bound is an e-value still.
	windowLogMax = 3
	// controlShareMin is the least share of the canary's requests that a control needs to be compared with.
	controlShareMin = 1.0 / 20
	restartMs       = 60_000
	// A forecast of the control's rate forgets with each window, and begins as if it had seen forecastRequests with forecastBad bad ones.
	forecastKeep     = 0.999
	forecastRequests = 1000
	forecastBad      = 0.5
	forecastMax      = 0.4 // so that with any margin it stays below 1
)

// Evidence is an e-process: how much more likely what was seen is if the canary is worse than it may be. For each bet it has the logarithm of
//
//	M(t) = (M(t-1) + w(t)) * e(t),   E(t) = mean of M(t) over the bets
//
// e(t) is a window's e-value: it is not above 1 in expectation, whatever came before, if the canary is no worse than it may be. The w are weights of
// restarts, one a minute, that sum to at most 1: with them a week of good requests does not have to be outweighed first. So E is not above 1
// in expectation at any time at which somebody may stop, and
//
//	P(there is a t with E(t) >= 1/alpha) <= alpha                         (Ville 1939)
//
// A window is k of n requests of the canary that were bad, with rate p, and k0 of n0 of the control, with rate p0. Without a control p may be at
// most limit, and e is Wald's likelihood ratio (1945) of a rate q above it:
//
//	e = (q/limit)^k * ((1-q)/(1-limit))^(n-k)
//
// With a control p may be at most p0 + margin. e is a bet against a point x, x+margin on that line:
//
//	e = prod over canary (1 + c*(y-x-margin)) * prod over control (1 - c0*(y-x)),   y = 1 if bad, else 0,   n*c = n0*c0
//	E[e] <= exp(n*c*(p-x-margin) - n0*c0*(p0-x)) = exp(n*c*(p-p0-margin)) <= 1
//
// for each x and c that were chosen before the window, also when both rates drift. Without a margin it is the e-value of Turner, Ly and Grünwald,
// "Generic E-variables for exact sequential k-sample tests that allow for optional stopping" (2021, arXiv:2106.02693), for the rates q and q0; betting: Waudby-Smith and
// Ramdas, "Estimating means of bounded random variables by betting" (2023); restarts: Shin, Ramdas and Rinaldo, "E-detectors" (2022).
type Evidence struct {
	Logs        [betsCount]float64 `json:"logs"`
	Restarts    uint64             `json:"restarts"`
	ForecastBad float64            `json:"forecast_bad"`      // of the control, weighted by age
	ForecastOf  float64            `json:"forecast_requests"` // of the control, weighted by age
	Canary      portion            `json:"canary"`            // since the step began
	Control     portion            `json:"control"`
}

func newEvidence() Evidence {
	e := Evidence{ForecastBad: forecastBad, ForecastOf: forecastRequests}
	for i := range e.Logs {
		e.Logs[i] = math.Log(0.5) // the other half of the weight is that of the restarts
	}
	return e
}

// portion is how many of how many requests were bad.
type portion struct {
	Bad uint64 `json:"bad"`
	Of  uint64 `json:"of"`
}

func (p portion) rate() float64 { return float64(p.Bad) / float64(max(p.Of, 1)) }

func (p portion) plus(o portion) portion { return portion{p.Bad + o.Bad, p.Of + o.Of} }

// restart begins as many bets anew as minutes have passed. The weight of minute j is half of f(j) - f(j+1), f(j) = 1/(1+ln j), so all sum to
// one half, and they fall as slowly as such weights can.
func (e *Evidence) restart(minutes uint64) {
	f := func(j float64) float64 { return 1 / (1 + math.Log(j)) }
	for e.Restarts < minutes {
		e.Restarts++
		j := float64(e.Restarts)
		w := math.Log(0.5 * (f(j) - f(j+1)))
		for i := range e.Logs {
			e.Logs[i] = logSum(e.Logs[i], w)
		}
	}
}

// observe takes a window in. Which test it is depends on how many requests there were, never on how they ended.
func (e *Evidence) observe(canary, control portion, limit, margin float64) {
	compared := control.Of > 0 && float64(control.Of) >= controlShareMin*float64(canary.Of)
	for i, m := range multiples {
		var gain float64
		if compared {
			q0 := min(e.ForecastBad/e.ForecastOf, forecastMax)
			gain = gainOver(canary, control, q0, above(q0+margin, m), margin)
		} else {
			gain = gainAlone(canary, above(limit, m), limit)
		}
		e.Logs[i] += min(gain, windowLogMax)
	}
	e.Canary, e.Control = e.Canary.plus(canary), e.Control.plus(control)
	e.ForecastBad = (e.ForecastBad-forecastBad)*forecastKeep + float64(control.Bad) + forecastBad
	e.ForecastOf = (e.ForecastOf-forecastRequests)*forecastKeep + float64(control.Of) + forecastRequests
}

// above is a rate m times as high, and below 1.
func above(rate, m float64) float64 { return min(m*rate, rate+0.9*(1-rate)) }

// gainAlone is the logarithm of a window's e-value against p <= limit.
func gainAlone(c portion, q, limit float64) float64 {
	return float64(c.Bad)*math.Log(q/limit) + float64(c.Of-c.Bad)*math.Log((1-q)/(1-limit))
}

// gainOver is the logarithm of a window's e-value against p <= p0 + margin, for the rates q of the canary and q0 of the control.
func gainOver(c, c0 portion, q0, q, margin float64) float64 {
	n, n0 := float64(c.Of), float64(c0.Of)
	if n == 0 || n0 == 0 {
		return 0
	}
	x := (n0*q0 + n*(q-margin)) / (n + n0)
	bet0 := (x - q0) / (x * (1 - x))
	bet := bet0 * n0 / n
	if most := 0.9 / (x + margin); bet > most { // a good request must leave something of the stake
		bet0, bet = bet0*most/bet, most
	}
	bad, bad0 := float64(c.Bad), float64(c0.Bad)
	return bad*math.Log1p(bet*(1-x-margin)) + (n-bad)*math.Log1p(-bet*(x+margin)) +
		bad0*math.Log1p(-bet0*(1-x)) + (n0-bad0)*math.Log1p(bet0*x)
}

// log is ln E.
func (e *Evidence) log() float64 {
	sum := math.Inf(-1)
	for _, l := range e.Logs {
		sum = logSum(sum, l)
	}
	return sum - math.Log(betsCount)
}

// logSum is ln(exp a + exp b).
func logSum(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(a, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// upperRate is a rate that the true one is above, at any time at which somebody may have stopped counting, with probability at most alpha: the highest r with
//
//	(n+1) * C(n,k) * r^k * (1-r)^(n-k) > alpha
//
// (Robbins, "Statistical methods related to the law of the iterated logarithm", 1970). 1 without requests.
func upperRate(seen portion, alpha float64) float64 {
	n, k := float64(seen.Of), float64(seen.Bad)
	ways := logFactorial(n) - logFactorial(k) - logFactorial(n-k) + math.Log(n+1)
	low, high := seen.rate(), 1.0
	if seen.Of == 0 || seen.Bad == seen.Of {
		return high
	}
	for range 60 {
		r := (low + high) / 2
		if ways+k*math.Log(r)+(n-k)*math.Log1p(-r) > math.Log(alpha) {
			low = r
		} else {
			high = r
		}
	}
	return high
}

func logFactorial(n float64) float64 {
	l, _ := math.Lgamma(n + 1)
	return l
}
