// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"fmt"
	"math"

	"github.com/aurigraph/aurigraph/internal/fault"
)

const (
	allowanceP99 = 0.01 // of requests may be slower than a p99
	testsCount   = 4
	basis        = 10_000.0
	// doubtE is the evidence from which a step is not left before it has gone down again.
	doubtE = 20
	// evidenceShownMax bounds what is shown: beyond it a float of JSON says no more.
	evidenceShownMax = 1e15
)

// Analysis is what is known about one step. It is plain data; keep it as JSON.
type Analysis struct {
	Step      int      `json:"step"`
	CoveredMs uint64   `json:"covered_ms"` // time with requests in it
	SeenMs    uint64   `json:"seen_ms"`    // end of the last window
	Errors    Evidence `json:"errors"`
	Wrong     Evidence `json:"wrong"`
	Slow      Evidence `json:"slow"`
	Slower    Evidence `json:"slower"`
	// SlowerLimit is the rate of slow requests that the step before certainly did not pass, with the margin; 0: there is nothing to compare with.
	SlowerLimit float64  `json:"slower_limit"`
	ErrorRail   Recent   `json:"error_rail"`
	P99Rail     Recent   `json:"p99_rail"`
	Down        Since    `json:"down"`
	Late        Since    `json:"late"`
	Samples     []Sample `json:"samples"`
	Ended       string   `json:"ended"`    // why it was ended; empty: it was not
	Reversed    *Verdict `json:"reversed"` // its last word
}

// Reference is what a step leaves to the next.
type Reference struct {
	Requests uint64 `json:"requests"`
	Slow     uint64 `json:"slow"`
}

// Begin begins a step of a plan that was checked. before is the step's before, under the same objectives; the zero value if there is none.
func Begin(p *Plan, step int, before Reference) *Analysis {
	fault.Invariant(step >= 0 && step < len(p.Steps), "step %d of %d", step, len(p.Steps))
	a := &Analysis{
		Step: step, Errors: newEvidence(), Wrong: newEvidence(), Slow: newEvidence(), Slower: newEvidence(),
		ErrorRail: Recent{SpanMs: uint64(p.Rails.ErrorForSeconds) * 1000},
		P99Rail:   Recent{SpanMs: uint64(p.Rails.P99ForSeconds) * 1000},
		Samples:   []Sample{},
	}
	// Half of this test's share of false alarms is that the step before was worse than its bound, half that this one looks worse than it is.
	bound := upperRate(portion{before.Slow, before.Requests}, p.alpha()/2) + float64(p.Tests.SlowMarginBP)/basis
	if before.Requests > 0 && bound < 0.5 {
		a.SlowerLimit = bound
	}
	return a
}

// alpha is one test's share of the false alarms.
func (p *Plan) alpha() float64 { return float64(p.Tests.FalseAlarmPPM) / 1e6 / testsCount }

// Reference is what the next step compares itself with.
func (a *Analysis) Reference() Reference {
	return Reference{Requests: a.Slow.Canary.Of, Slow: a.Slow.Canary.Bad}
}

// End ends the analysis: it never promotes any more. Its rails and tests go on. The first reason stays.
func (a *Analysis) End(why string) {
	if a.Ended == "" {
		a.Ended = cut("ended: " + why)
	}
}

// Observe takes a window in and says what to do.
func (a *Analysis) Observe(p *Plan, o *Observation) Verdict {
	if a.Reversed != nil {
		return *a.Reversed
	}
	if o.Divergences > 0 { // also beside what is no observation otherwise: it needs no window
		for _, s := range o.Samples[:min(len(o.Samples), 3*SamplesMax)] {
			a.Samples = keep(a.Samples, s)
		}
		return a.reverse(p, o, RuleDivergence, fmt.Sprintf("%d differences between the ledgers are confirmed", o.Divergences))
	}
	if why := o.check(a.SeenMs); why != "" {
		return a.verdict(p, o, Hold, RuleObservation, why)
	}
	a.take(p, o)
	if rule, why := a.rails(p, o); rule != "" {
		return a.reverse(p, o, rule, why)
	}
	if rule, why := a.tests(p); rule != "" {
		return a.reverse(p, o, rule, why)
	}
	return a.hold(p, o)
}

// Rewind has all that was seen end at nowMs, if it ended later: the clock by which it was seen was ahead, or has gone back. How long something lasted
// stays what it was.
func (a *Analysis) Rewind(nowMs uint64) {
	if a.SeenMs <= nowMs {
		return
	}
	by := a.SeenMs - nowMs
	a.SeenMs = nowMs
	a.ErrorRail.rewind(by)
	a.P99Rail.rewind(by)
	a.Down.rewind(by)
	a.Late.rewind(by)
}

// take adds a window to all that is known.
func (a *Analysis) take(p *Plan, o *Observation) {
	minutes := a.CoveredMs / restartMs
	window := func(e *Evidence, canary, control portion, limit, margin float64) {
		e.restart(minutes)
		e.observe(canary, control, limit, margin)
	}
	c, c0 := &o.Canary, &o.Control
	window(&a.Errors, portion{c.Errors, c.Requests}, portion{c0.Errors, c0.Requests}, float64(p.Objectives.ErrorRateBP)/basis, float64(p.Tests.ErrorMarginBP)/basis)
	window(&a.Wrong, portion{c.Wrong, c.Compared}, portion{c0.Wrong, c0.Compared}, float64(p.Objectives.WrongRateBP)/basis, float64(p.Tests.WrongMarginBP)/basis)
	window(&a.Slow, portion{c.Slow, c.Requests}, portion{}, allowanceP99, 0)
	if a.SlowerLimit > 0 {
		window(&a.Slower, portion{c.Slow, c.Requests}, portion{}, a.SlowerLimit, 0)
	}
	if c.Requests > 0 {
		a.CoveredMs += o.ToMs - o.FromMs
	}
	a.SeenMs = o.ToMs
	all := o.Canary
	all.add(&o.Named)
	a.ErrorRail.observe(o.FromMs, o.ToMs, portion{all.Errors, all.Requests})
	a.P99Rail.observe(o.FromMs, o.ToMs, portion{all.SlowRail, all.Requests})
	a.Down.observe(o.Health != HealthUnknown, o.Health == HealthDown, o.ToMs)
	a.Late.observe(o.SyncLag.Known, o.SyncLag.Ms > uint64(p.Rails.SyncLagMs), o.ToMs)
	for _, s := range o.Samples {
		a.Samples = keep(a.Samples, s)
	}
}

// rails names the first that is passed.
func (a *Analysis) rails(p *Plan, o *Observation) (rule, why string) {
	r := &p.Rails
	over := func(recent *Recent, limit float64) bool {
		seen, whole := recent.sum(o.ToMs)
		return whole && seen.Of >= uint64(r.MinimumRequests) && seen.rate() > limit
	}
	switch {
	case a.Down.On && a.Down.seconds() >= r.HealthDownSeconds:
		return RuleHealth, fmt.Sprintf("V11's health probe has failed for %d s", a.Down.seconds())
	case over(&a.ErrorRail, float64(r.ErrorRateBP)/basis):
		return RuleErrorRate, fmt.Sprintf("more than %d bp of V11's requests ended in an error over %d s", r.ErrorRateBP, r.ErrorForSeconds)
	case over(&a.P99Rail, allowanceP99):
		return RuleP99, fmt.Sprintf("more than 1 %% of V11's requests took longer than %d ms over %d s", r.P99Ms, r.P99ForSeconds)
	case a.Late.On && a.Late.seconds() >= r.SyncLagForSeconds:
		return RuleSyncLag, fmt.Sprintf("the sync has been later than %d ms for %d s", r.SyncLagMs, a.Late.seconds())
	case o.Hold.Known && o.Hold.Ms > uint64(r.HoldMs):
		return RuleHoldTime, fmt.Sprintf("a payment waited %d ms while its account moved, at most %d", o.Hold.Ms, r.HoldMs)
	}
	return "", ""
}

// stop is the evidence at which a test reverses.
func (p *Plan) stop() float64 { return 1 / p.alpha() }

// stopSlower is that of the test whose other half is the bound of the step before.
func (p *Plan) stopSlower() float64 { return 2 / p.alpha() }

// tests names the first that has found V11 worse than it may be.
func (a *Analysis) tests(p *Plan) (rule, why string) {
	const format = "V11's rate of %s is above %s: evidence %.4g, from %.4g on it is taken for certain"
	switch stop, slower := math.Log(p.stop()), math.Log(p.stopSlower()); {
	case a.Errors.log() >= stop:
		return RuleErrors, fmt.Sprintf(format, "errors", "that of V10's accounts and the margin", a.Errors.shown(), p.stop())
	case a.Wrong.log() >= stop:
		return RuleWrong, fmt.Sprintf(format, "wrong answers", "that of V10's accounts and the margin", a.Wrong.shown(), p.stop())
	case a.Slow.log() >= stop:
		return RuleSlow, fmt.Sprintf(format, "slow requests", "1 %", a.Slow.shown(), p.stop())
	case a.SlowerLimit > 0 && a.Slower.log() >= slower:
		return RuleSlower, fmt.Sprintf(format, "slow requests", "that of the step before and the margin", a.Slower.shown(), p.stopSlower())
	}
	return "", ""
}

// shown is E, as far as it is worth showing.
func (e *Evidence) shown() float64 { return math.Exp(min(e.log(), math.Log(evidenceShownMax))) }
