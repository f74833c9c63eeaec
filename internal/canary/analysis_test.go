// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// quick is a plan that a few windows can fulfil.
func quick() Plan {
	p := Default()
	for i := range p.Steps {
		p.Steps[i].MinimumSeconds, p.Steps[i].MinimumRequests, p.Steps[i].Approvals = 5, 1000, 1
	}
	return p
}

// healthy is a window of ten seconds with good traffic and an approval.
func healthy(from uint64) Observation {
	o := calm(from, from+10_000)
	o.Canary = Counts{Requests: 3000, Slow: 3, Compared: 300}
	o.Control = o.Canary
	o.Approvers = []string{"cto"}
	return o
}

func run(a *Analysis, p *Plan, windows int, change func(i int, o *Observation)) Verdict {
	var v Verdict
	for i := range windows {
		o := healthy(a.SeenMs)
		if change != nil {
			change(i, &o)
		}
		if v = a.Observe(p, &o); v.Decision == Reverse {
			break
		}
	}
	return v
}

// TestRails has one row at, and one above, each limit; each also with a clock that goes back for minutes before each window.
func TestRails(t *testing.T) {
	each := func(change func(o *Observation)) func(int, *Observation) {
		return func(_ int, o *Observation) { change(o) }
	}
	for _, c := range []struct {
		name    string
		rule    string // empty: no reverse
		windows int
		change  func(i int, o *Observation)
	}{
		{"all is well", "", 40, nil},
		{"1 % errors", "", 7, each(func(o *Observation) { o.Canary.Errors, o.Control.Errors = 30, 30 })},
		{"above 1 % errors", RuleErrorRate, 7, each(func(o *Observation) { o.Canary.Errors, o.Control.Errors = 31, 31 })},
		{"above 1 % errors, not for 60 s", "", 5, each(func(o *Observation) { o.Canary.Errors, o.Control.Errors = 31, 31 })},
		{"errors of named accounts", RuleErrorRate, 7, each(func(o *Observation) { o.Named = Counts{Requests: 100, Errors: 40} })},
		{"too few requests for a rate", "", 7, each(func(o *Observation) {
			o.Canary, o.Control = Counts{Requests: 100, Errors: 2}, Counts{Requests: 100, Errors: 2}
		})},
		{"1 % very slow", "", 40, each(func(o *Observation) { o.Canary.Slow, o.Canary.SlowRail = 30, 30 })},
		{"above 1 % very slow", RuleP99, 40, each(func(o *Observation) { o.Canary.Slow, o.Canary.SlowRail = 31, 31 })},
		{"above 1 % very slow, not for 300 s", "", 29, each(func(o *Observation) { o.Canary.Slow, o.Canary.SlowRail = 31, 31 })},
		{"a difference", RuleDivergence, 1, each(func(o *Observation) { o.Divergences = 1 })},
		{"down", RuleHealth, 2, each(func(o *Observation) { o.Health = HealthDown })},
		{"down, not for 10 s", "", 20, func(i int, o *Observation) {
			if i%2 == 0 {
				o.Health = HealthDown
			}
		}},
		{"down, unknown, down", RuleHealth, 3, func(i int, o *Observation) { o.Health = []Health{HealthDown, HealthUnknown, HealthDown}[i] }},
		{"down, up, down", "", 3, func(i int, o *Observation) { o.Health = []Health{HealthDown, HealthUp, HealthDown}[i] }},
		{"unknown health", "", 40, each(func(o *Observation) { o.Health = HealthUnknown })},
		{"late at the limit", "", 10, each(func(o *Observation) { o.SyncLag.Ms = 5000 })},
		{"late", RuleSyncLag, 4, each(func(o *Observation) { o.SyncLag.Ms = 5001 })},
		{"late, not for 30 s", "", 3, each(func(o *Observation) { o.SyncLag.Ms = 5001 })},
		{"late, nobody knows", "", 10, each(func(o *Observation) { o.SyncLag = Gauge{false, 5001} })},
		{"long hold", RuleHoldTime, 1, each(func(o *Observation) { o.Hold.Ms = 5001 })},
		{"hold at the limit", "", 5, each(func(o *Observation) { o.Hold.Ms = 5000 })},
		{"without requests, down", RuleHealth, 2, each(func(o *Observation) { o.Canary, o.Health = Counts{}, HealthDown })},
	} {
		for _, backMs := range []uint64{0, 301_234} {
			p := quick()
			p.ReverseToBP = 7000
			a := Begin(&p, 1, Reference{})
			a.SeenMs = 1 << 40
			v := run(a, &p, c.windows, func(i int, o *Observation) {
				a.Rewind(a.SeenMs - backMs)
				o.FromMs, o.ToMs = a.SeenMs, a.SeenMs+10_000
				if c.change != nil {
					c.change(i, o)
				}
			})
			if v.Rule == RuleObservation {
				t.Errorf("%s, back for %d ms: %+v", c.name, backMs, v)
			}
			if c.rule == "" {
				if v.Decision == Reverse {
					t.Errorf("%s, back for %d ms: %s %s", c.name, backMs, v.Rule, v.Why)
				}
				continue
			}
			if v.Decision != Reverse || v.Rule != c.rule || v.ToBP != 100 || v.Why == "" || len(v.Numbers) < 10 {
				t.Errorf("%s, back for %d ms: %+v", c.name, backMs, v)
			}
		}
	}
}

// TestRewind: what is not later than now stays, and nothing is before the beginning of time.
func TestRewind(t *testing.T) {
	p := quick()
	a := Begin(&p, 1, Reference{})
	run(a, &p, 5, func(_ int, o *Observation) { o.Health = HealthDown })
	was, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	a.Rewind(a.SeenMs)
	a.Rewind(a.SeenMs + 1)
	if now, err := json.Marshal(a); err != nil || string(now) != string(was) {
		t.Errorf("%s is %s now, %v", was, now, err)
	}
	down := a.Down.seconds()
	if a.Rewind(0); a.SeenMs != 0 || a.ErrorRail.BeganMs != 0 || down == 0 || a.Down.FromMs != 0 {
		t.Errorf("%+v", a)
	}
}

// TestGates: each alone keeps a step from being left, by its name.
func TestGates(t *testing.T) {
	for _, c := range []struct {
		rule   string
		change func(p *Plan, a *Analysis, o *Observation)
	}{
		{RulePlan, func(*Plan, *Analysis, *Observation) {}},
		{RuleTime, func(p *Plan, _ *Analysis, _ *Observation) { p.Steps[1].MinimumSeconds = 21 }},
		{RuleRequests, func(p *Plan, _ *Analysis, _ *Observation) { p.Steps[1].MinimumRequests = 6001 }},
		{RuleApprovals, func(_ *Plan, _ *Analysis, o *Observation) { o.Approvers = nil }},
		{RuleApprovals, func(_ *Plan, _ *Analysis, o *Observation) { o.Approvers = []string{""} }},
		{RuleApprovals, func(p *Plan, _ *Analysis, o *Observation) {
			p.Steps[1].Approvals, o.Approvers = 2, []string{"cto", "cto"}
		}},
		{RulePlan, func(p *Plan, _ *Analysis, o *Observation) {
			p.Steps[1].Approvals, o.Approvers = 2, []string{"cto", "cfo"}
		}},
		{RuleDoubt, func(p *Plan, a *Analysis, o *Observation) {
			for range 2 {
				o.Canary.Errors = 60
				a.Observe(p, o)
				*o = healthy(a.SeenMs)
			}
			o.Canary.Errors = 60
		}},
		{RuleObjective, func(_ *Plan, _ *Analysis, o *Observation) { o.Canary.Errors, o.Control.Errors = 10, 10 }},
		{RuleObjective, func(_ *Plan, _ *Analysis, o *Observation) { o.Canary.Wrong, o.Control.Wrong = 1, 1 }},
		{RuleObjectiveP99, func(_ *Plan, _ *Analysis, o *Observation) { o.Canary.Slow = 61 }},
		{RuleHealth, func(_ *Plan, _ *Analysis, o *Observation) { o.Health = HealthDown }},
		{RuleSyncLag, func(_ *Plan, _ *Analysis, o *Observation) { o.SyncLag.Ms = 5001 }},
		{RuleGate + "verify", func(_ *Plan, _ *Analysis, o *Observation) {
			o.Gates = []Gate{{"drills", true, ""}, {"verify", false, "3 rows differ"}}
		}},
		{RuleNoData, func(_ *Plan, _ *Analysis, o *Observation) { o.Canary = Counts{} }},
		{RuleNoData, func(_ *Plan, _ *Analysis, o *Observation) { o.Control = Counts{} }},
		{RuleNoData, func(_ *Plan, _ *Analysis, o *Observation) { o.Health = HealthUnknown }},
		{RuleNoData, func(_ *Plan, _ *Analysis, o *Observation) { o.SyncLag.Known = false }},
		{RuleNoData, func(_ *Plan, _ *Analysis, o *Observation) { o.Hold.Known = false }},
		{RuleEnded, func(_ *Plan, a *Analysis, _ *Observation) { a.End("the operator said so") }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.FromMs-- }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.ToMs = o.FromMs }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.ToMs = o.FromMs + WindowMsMax + 1 }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.FromMs, o.ToMs = timeMsMax, timeMsMax+1 }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.Canary.Errors = o.Canary.Requests + 1 }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.Control.SlowRail = o.Control.Slow + 1 }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.Named.Wrong = 1 }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.Canary.Requests = WindowRequestsMax + 1 }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.Health = HealthDown + 1 }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.Gates = make([]Gate, GatesMax+1) }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.Samples = []Sample{{Class: "odd"}} }},
		{RuleObservation, func(_ *Plan, _ *Analysis, o *Observation) { o.Samples = make([]Sample, 3*SamplesMax+1) }},
	} {
		p := quick()
		a := Begin(&p, 1, Reference{})
		first := healthy(0)
		a.Observe(&p, &first)
		o := healthy(a.SeenMs)
		c.change(&p, a, &o)
		before, _ := json.Marshal(a)
		v := a.Observe(&p, &o)
		want, to := Hold, 500
		if c.rule == RulePlan {
			want, to = Promote, 1000
		}
		if v.Decision != want || v.Rule != c.rule || v.ToBP != to || v.Why == "" {
			t.Errorf("%s: %s by %s to %d: %s", c.rule, v.Decision, v.Rule, v.ToBP, v.Why)
		}
		if after, _ := json.Marshal(a); (c.rule == RuleObservation) != (string(after) == string(before)) {
			t.Errorf("%s: refused and taken in, or the other way round", c.rule)
		}
	}
}

// TestLastStep: with all weight there is no control, and it needs none.
func TestLastStep(t *testing.T) {
	p := quick()
	last := len(p.Steps) - 1
	alone := func(_ int, o *Observation) { o.Control = Counts{} }
	if v := run(Begin(&p, last, Reference{100_000, 100}), &p, 2, alone); v.Decision != Promote || v.ToBP != weightWhole {
		t.Errorf("%+v", v)
	}
	v := run(Begin(&p, last, Reference{}), &p, 40, func(_ int, o *Observation) { o.Control, o.Canary.Errors = Counts{}, 20 })
	if v.Decision != Reverse || v.Rule != RuleErrors {
		t.Errorf("0.67 %% errors against an objective of 0.1 %%: %+v", v)
	}
	if v := run(Begin(&p, 0, Reference{}), &p, 1, func(_ int, o *Observation) { o.Divergences = 1 }); v.ToBP != 0 {
		t.Errorf("the first step is reversed to %d", v.ToBP)
	}
}

// TestSlower: within the objective, but worse than the step before.
func TestSlower(t *testing.T) {
	p := quick()
	v := run(Begin(&p, 2, Reference{1_000_000, 500}), &p, 200, func(_ int, o *Observation) { o.Canary.Slow = 29 })
	if v.Decision != Reverse || v.Rule != RuleSlower {
		t.Errorf("%+v", v)
	}
	for _, before := range []Reference{{}, {10, 0}, {1_000_000, 9000}} { // none, too few to say anything, the same
		if v := run(Begin(&p, 2, before), &p, 200, func(_ int, o *Observation) { o.Canary.Slow = 29 }); v.Decision == Reverse {
			t.Errorf("%+v: %+v", before, v)
		}
	}
}

// TestPause: time without requests is no time.
func TestPause(t *testing.T) {
	p := quick()
	p.Steps[1].MinimumSeconds = 100
	a := Begin(&p, 1, Reference{})
	run(a, &p, 20, func(i int, o *Observation) {
		if i > 4 {
			o.Canary = Counts{}
		}
	})
	if a.CoveredMs != 50_000 {
		t.Errorf("%d ms", a.CoveredMs)
	}
	o := healthy(a.SeenMs + 7_200_000) // nobody watched for two hours
	if v := a.Observe(&p, &o); v.Rule != RuleTime || a.CoveredMs != 60_000 {
		t.Errorf("%d ms, %+v", a.CoveredMs, v)
	}
}

// TestDivergenceBeside: a difference counts even in what is no observation otherwise.
func TestDivergenceBeside(t *testing.T) {
	p := quick()
	a := Begin(&p, 1, Reference{})
	a.End("whatever")
	if v := a.Observe(&p, &Observation{Divergences: 2}); v.Decision != Reverse || v.Rule != RuleDivergence {
		t.Errorf("%+v", v)
	}
}

// drawWindow is anything that a window can be, mostly something that is allowed.
func drawWindow(t *rapid.T, a *Analysis) Observation {
	o := healthy(a.SeenMs + rapid.SampledFrom([]uint64{0, 0, 0, 5000, 1 << 60}).Draw(t, "gap"))
	switch rapid.IntRange(0, 11).Draw(t, "kind") {
	case 0:
		o.Canary = Counts{}
	case 1:
		o.Canary.Errors = rapid.Uint64Range(0, 3001).Draw(t, "errors")
	case 2:
		o.Canary.Slow = rapid.Uint64Range(0, 3000).Draw(t, "slow")
		o.Canary.SlowRail = rapid.Uint64Range(0, o.Canary.Slow).Draw(t, "slow_rail")
	case 3:
		o.Health = Health(rapid.IntRange(0, 3).Draw(t, "health"))
	case 4:
		o.SyncLag = Gauge{rapid.Bool().Draw(t, "known"), rapid.Uint64Range(0, 10_000).Draw(t, "lag")}
	case 5:
		o.Hold.Ms = rapid.Uint64Range(4000, 6000).Draw(t, "hold")
	case 6:
		o.Canary.Wrong = rapid.Uint64Range(0, 300).Draw(t, "wrong")
	case 7:
		o.Control = Counts{Requests: rapid.Uint64Range(0, 100_000).Draw(t, "control")}
	case 8:
		o.Divergences = rapid.Uint64Range(0, 1).Draw(t, "divergences")
	}
	return o
}

// TestWords: whatever is observed, in whatever order, a reverse is the last word, what was ended does not promote, no promote is without data,
// and an analysis that was written down and read again goes on as if it had not been.
func TestWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := quick()
		a := Begin(&p, rapid.IntRange(0, len(p.Steps)-1).Draw(t, "step"), Reference{100_000, 100})
		var last *Verdict
		for range rapid.IntRange(1, 30).Draw(t, "windows") {
			if rapid.IntRange(0, 20).Draw(t, "end") == 0 {
				a.End("enough")
			}
			text, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			var again Analysis
			if err := json.Unmarshal(text, &again); err != nil {
				t.Fatal(err)
			}
			o := drawWindow(t, a)
			v := a.Observe(&p, &o)
			if other := again.Observe(&p, &o); !reflect.DeepEqual(v, other) {
				t.Fatalf("%+v\nread again: %+v", v, other)
			}
			switch {
			case last != nil && !reflect.DeepEqual(*last, v):
				t.Fatalf("after a reverse: %+v", v)
			case v.Decision == Promote && (a.Ended != "" || o.Canary.Requests == 0 || slices.ContainsFunc(v.Gates, func(g Gate) bool { return !g.OK })):
				t.Fatalf("promoted: %+v", v)
			case v.Decision == Reverse:
				last = &v
			}
			if len(v.Samples) > SamplesMax || v.Rule == "" || v.Why == "" {
				t.Fatalf("%+v", v)
			}
			if text, err := json.Marshal(v); err != nil || strings.Contains(string(text), "null") {
				t.Fatalf("%s, %v", text, err)
			}
		}
	})
}

// TestNoData: nothing at all never promotes, however long.
func TestNoData(t *testing.T) {
	p := quick()
	a := Begin(&p, 1, Reference{})
	run(a, &p, 3, nil)
	for i := range 1000 {
		o := Observation{FromMs: a.SeenMs, ToMs: a.SeenMs + 60_000, Approvers: []string{"cto"}}
		if v := a.Observe(&p, &o); v.Decision != Hold || v.Rule != RuleNoData {
			t.Fatalf("window %d: %+v", i, v)
		}
	}
}

// TestSamples: a verdict shows the newest requests of its rule's class.
func TestSamples(t *testing.T) {
	p := quick()
	v := run(Begin(&p, 1, Reference{}), &p, 20, func(i int, o *Observation) {
		o.Canary.Errors = 300
		for n := range 3 {
			o.Samples = append(o.Samples, Sample{Class: ClassError, ID: fmt.Sprint(i, "-", n), Path: strings.Repeat("é", 500)}, Sample{Class: ClassSlow, ID: "slow"})
		}
	})
	if v.Decision != Reverse || len(v.Samples) != SamplesMax {
		t.Fatalf("%+v", v)
	}
	for _, s := range v.Samples {
		if s.Class != ClassError || len(s.Path) > sampleTextMax {
			t.Errorf("%+v", s)
		}
	}
	if newest := v.Samples[SamplesMax-1].ID; !strings.HasSuffix(newest, "-2") {
		t.Errorf("the newest is %s", newest)
	}
}
