// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"fmt"
	"slices"
)

// reverse makes the analysis's last word.
func (a *Analysis) reverse(p *Plan, o *Observation, rule, why string) Verdict {
	v := a.verdict(p, o, Reverse, rule, why)
	before := 0
	if a.Step > 0 {
		before = p.Steps[a.Step-1].WeightBP
	}
	v.ToBP = min(p.ReverseToBP, before)
	a.Reversed = &v
	return v
}

// hold promotes if nothing speaks against it.
func (a *Analysis) hold(p *Plan, o *Observation) Verdict {
	gates := a.gates(p, o)
	end := func(d Decision, rule, why string) Verdict {
		v := a.verdict(p, o, d, rule, why)
		v.Gates = gates
		return v
	}
	if a.Ended != "" {
		return end(Hold, RuleEnded, a.Ended)
	}
	if why := a.missing(p, o); why != "" {
		return end(Hold, RuleNoData, why)
	}
	if i := slices.IndexFunc(gates, func(g Gate) bool { return !g.OK }); i >= 0 {
		return end(Hold, gates[i].Name, gates[i].Why)
	}
	v := end(Promote, RulePlan, "the step has all that the plan asks for")
	v.ToBP = p.Steps[min(a.Step+1, len(p.Steps)-1)].WeightBP
	return v
}

// missing says what nobody knows in this window; empty: nothing.
func (a *Analysis) missing(p *Plan, o *Observation) string {
	switch {
	case o.Canary.Requests == 0:
		return "no request of the accounts that moved"
	case o.Control.Requests == 0 && p.Steps[a.Step].WeightBP < weightWhole:
		return "no request of the accounts that they are compared with"
	case o.Health == HealthUnknown:
		return "nobody could ask for V11's health"
	case !o.SyncLag.Known:
		return "nobody could measure the sync"
	case !o.Hold.Known:
		return "nobody could measure how long payments wait"
	}
	return ""
}

// gates are the conditions of the next step, those of others behind its own.
func (a *Analysis) gates(p *Plan, o *Observation) []Gate {
	step, stop := &p.Steps[a.Step], float64(doubtE)
	seconds, requests, approvals := int(a.CoveredMs/1000), a.Slow.Canary.Of, approvers(o)
	worst := max(a.Errors.shown(), a.Wrong.shown(), a.Slow.shown(), a.Slower.shown())
	errors, wrong, slow := a.Errors.Canary.rate()*basis, a.Wrong.Canary.rate()*basis, a.Slow.Canary.rate()*basis
	goals := &p.Objectives
	gates := []Gate{
		gate(RuleTime, seconds >= step.MinimumSeconds, "%d s with requests, of %d", seconds, step.MinimumSeconds),
		gate(RuleRequests, requests >= uint64(step.MinimumRequests), "%d requests, of %d", requests, step.MinimumRequests),
		gate(RuleApprovals, approvals >= step.Approvals, "%d approvals, of %d", approvals, step.Approvals),
		gate(RuleDoubt, worst < stop, "evidence %.3g that V11 is worse than it may be; below %g it may go on", worst, stop),
		gate(RuleObjective, errors <= float64(goals.ErrorRateBP) && wrong <= float64(goals.WrongRateBP),
			"errors %.2f bp, at most %d; wrong answers %.2f bp, at most %d", errors, goals.ErrorRateBP, wrong, goals.WrongRateBP),
		gate(RuleObjectiveP99, slow <= allowanceP99*basis, "%.2f bp slower than %d ms, at most %g", slow, goals.P99Ms, allowanceP99*basis),
		gate(RuleHealth, o.Health != HealthDown, "V11's health probe fails for %d s", a.Down.seconds()),
		gate(RuleSyncLag, o.SyncLag.Ms <= uint64(p.Rails.SyncLagMs), "the sync is %d ms late, at most %d", o.SyncLag.Ms, p.Rails.SyncLagMs),
	}
	for _, g := range o.Gates {
		gates = append(gates, Gate{RuleGate + cut(g.Name), g.OK, cut(g.Why)})
	}
	return gates
}

func gate(name string, ok bool, format string, args ...any) Gate {
	return Gate{Name: name, OK: ok, Why: fmt.Sprintf(format, args...)}
}

// approvers counts people, not approvals.
func approvers(o *Observation) int {
	names := map[string]bool{}
	for _, name := range o.Approvers {
		names[name] = name != ""
	}
	delete(names, "")
	return len(names)
}

// verdict is a decision with the numbers of the moment.
func (a *Analysis) verdict(p *Plan, o *Observation, d Decision, rule, why string) Verdict {
	return Verdict{
		Decision: d, Rule: rule, Why: why, ToBP: p.Steps[a.Step].WeightBP, AtMs: o.ToMs,
		Numbers: a.numbers(p, o), Gates: []Gate{}, Samples: show(a.Samples, rule),
	}
}

func (a *Analysis) numbers(p *Plan, o *Observation) []Number {
	t, g, r := &p.Tests, &p.Objectives, &p.Rails
	limit := func(e *Evidence, margin, alone int) float64 {
		if e.Control.Of == 0 {
			return float64(alone)
		}
		return e.Control.rate()*basis + float64(margin)
	}
	errorRail, _ := a.ErrorRail.sum(o.ToMs)
	p99Rail, _ := a.P99Rail.sum(o.ToMs)
	all := []Number{
		{"seconds", float64(a.CoveredMs) / 1000, float64(p.Steps[a.Step].MinimumSeconds)},
		{"requests", float64(a.Slow.Canary.Of), float64(p.Steps[a.Step].MinimumRequests)},
		{"control_requests", float64(a.Errors.Control.Of), 0},
		{"errors_bp", a.Errors.Canary.rate() * basis, limit(&a.Errors, t.ErrorMarginBP, g.ErrorRateBP)},
		{"errors_evidence", a.Errors.shown(), p.stop()},
		{"compared", float64(a.Wrong.Canary.Of), 0},
		{"wrong_bp", a.Wrong.Canary.rate() * basis, limit(&a.Wrong, t.WrongMarginBP, g.WrongRateBP)},
		{"wrong_evidence", a.Wrong.shown(), p.stop()},
		{"slow_bp", a.Slow.Canary.rate() * basis, allowanceP99 * basis},
		{"slow_evidence", a.Slow.shown(), p.stop()},
		{"slower_bp", a.Slow.Canary.rate() * basis, a.SlowerLimit * basis},
		{"slower_evidence", a.Slower.shown(), p.stopSlower()},
		{"rail_errors_bp", errorRail.rate() * basis, float64(r.ErrorRateBP)},
		{"rail_slow_bp", p99Rail.rate() * basis, allowanceP99 * basis},
		{"health_down_seconds", float64(a.Down.seconds()), float64(r.HealthDownSeconds)},
		{"divergences", float64(o.Divergences), 0},
	}
	if o.SyncLag.Known {
		all = append(all, Number{"sync_lag_ms", float64(o.SyncLag.Ms), float64(r.SyncLagMs)})
	}
	if o.Hold.Known {
		all = append(all, Number{"hold_ms", float64(o.Hold.Ms), float64(r.HoldMs)})
	}
	return all
}
