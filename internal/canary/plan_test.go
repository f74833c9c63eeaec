// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// TestExample: the example is the defaults, and explains each key.
func TestExample(t *testing.T) {
	p, err := Parse([]byte(Example))
	if err != nil || !reflect.DeepEqual(p, Default()) {
		t.Errorf("%+v, %v", p, err)
	}
	if empty, err := Parse(nil); err != nil || !reflect.DeepEqual(empty, Default()) {
		t.Errorf("an empty file gives %+v, %v", empty, err)
	}
	text, err := yaml.Marshal(Default())
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "default.yaml", text)
	for line := range strings.Lines(string(text)) {
		key, _, _ := strings.Cut(strings.TrimLeft(line, " -"), ":")
		if !explained(key) {
			t.Errorf("plan.yaml does not explain %q", key)
		}
	}
	page, err := os.ReadFile("../../docs/canary.md")
	if err != nil || !strings.Contains(string(page), Example) {
		t.Errorf("docs/canary.md does not show plan.yaml as it is: %v", err)
	}
}

func explained(key string) bool {
	for line := range strings.Lines(Example) {
		if strings.HasPrefix(strings.TrimLeft(line, " -"), key+":") && strings.Contains(line, "# ") {
			return true
		}
	}
	return false
}

func TestEachBound(t *testing.T) {
	for _, c := range []struct {
		field string
		set   func(*Plan)
	}{
		{"steps", func(p *Plan) { p.Steps = nil }},
		{"steps", func(p *Plan) { p.Steps = make([]Step, StepsMax+1) }},
		{"steps[0].weight_bp", func(p *Plan) { p.Steps[0].WeightBP = 0 }},
		{"steps[1].weight_bp", func(p *Plan) { p.Steps[1].WeightBP = 100 }},
		{"steps[6].weight_bp", func(p *Plan) { p.Steps[6].WeightBP = 10_001 }},
		{"steps[6].weight_bp", func(p *Plan) { p.Steps[6].WeightBP = 9999 }},
		{"steps[2].minimum_seconds", func(p *Plan) { p.Steps[2].MinimumSeconds = 0 }},
		{"steps[2].minimum_seconds", func(p *Plan) { p.Steps[2].MinimumSeconds = secondsMax + 1 }},
		{"steps[2].minimum_requests", func(p *Plan) { p.Steps[2].MinimumRequests = 0 }},
		{"steps[2].minimum_requests", func(p *Plan) { p.Steps[2].MinimumRequests = requestsMax + 1 }},
		{"steps[2].approvals", func(p *Plan) { p.Steps[2].Approvals = -1 }},
		{"steps[2].approvals", func(p *Plan) { p.Steps[2].Approvals = ApproversMax + 1 }},
		{"reverse_to_bp", func(p *Plan) { p.ReverseToBP = -1 }},
		{"reverse_to_bp", func(p *Plan) { p.ReverseToBP = 10_000 }},
		{"named", func(p *Plan) { p.Named.First = make([]string, router.CohortsMax+1) }},
		{"named.first[1]", func(p *Plan) { p.Named.First = []string{"a", "a"} }},
		{"named.back[0]", func(p *Plan) { p.Named = Named{First: []string{"a"}, Back: []string{"a"}} }},
		{"named.back[0]", func(p *Plan) { p.Named.Back = []string{""} }},
		{"objectives.error_rate_bp", func(p *Plan) { p.Objectives.ErrorRateBP = 0 }},
		{"objectives.wrong_rate_bp", func(p *Plan) { p.Objectives.WrongRateBP = 5001 }},
		{"objectives.p99_ms", func(p *Plan) { p.Objectives.P99Ms = 0 }},
		{"tests.false_alarm_ppm", func(p *Plan) { p.Tests.FalseAlarmPPM = 0 }},
		{"tests.error_margin_bp", func(p *Plan) { p.Tests.ErrorMarginBP = -1 }},
		{"tests.wrong_margin_bp", func(p *Plan) { p.Tests.WrongMarginBP = 5001 }},
		{"tests.slow_margin_bp", func(p *Plan) { p.Tests.SlowMarginBP = -1 }},
		{"rails.minimum_requests", func(p *Plan) { p.Rails.MinimumRequests = 0 }},
		{"rails.error_rate_bp", func(p *Plan) { p.Rails.ErrorRateBP = 9 }},
		{"rails.error_for_seconds", func(p *Plan) { p.Rails.ErrorForSeconds = 0 }},
		{"rails.p99_ms", func(p *Plan) { p.Rails.P99Ms = 249 }},
		{"rails.p99_for_seconds", func(p *Plan) { p.Rails.P99ForSeconds = 601 }},
		{"rails.health_down_seconds", func(p *Plan) { p.Rails.HealthDownSeconds = 0 }},
		{"rails.sync_lag_ms", func(p *Plan) { p.Rails.SyncLagMs = 0 }},
		{"rails.sync_lag_for_seconds", func(p *Plan) { p.Rails.SyncLagForSeconds = 0 }},
		{"rails.hold_ms", func(p *Plan) { p.Rails.HoldMs = 0 }},
	} {
		p := Default()
		c.set(&p)
		err := p.Check()
		if fault.ReasonOf(err) != ReasonPlan || !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), c.field+": ") {
			t.Errorf("%s: %v", c.field, err)
		}
		advice := slices.ContainsFunc([]string{"must be", "at most", "name it once", "is required"}, func(words string) bool {
			return strings.Contains(fmt.Sprint(err), words)
		})
		if !advice {
			t.Errorf("%s: nobody learns what would do: %v", c.field, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"unknown key":        "step: []\n",
		"unknown nested key": "rails: {p99: 3}\n",
		"a word":             "rails: {p99_ms: slow}\n",
		"a unit":             "rails: {p99_ms: 3s}\n",
		"a fraction":         "steps: [{weight_bp: 0.5}]\n",
		"second document":    "reverse_to_bp: 0\n---\nreverse_to_bp: 1\n",
		"no step":            "steps: []\n",
		"a bound":            "reverse_to_bp: 10000\n",
		"too long":           strings.Repeat("#", PlanBytesMax) + "\n",
	} {
		if p, err := Parse([]byte(text)); fault.ReasonOf(err) != ReasonPlan || !reflect.DeepEqual(p, Plan{}) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// TestShortPlan: what is given replaces, what is not stays; steps are replaced all together.
func TestShortPlan(t *testing.T) {
	p, err := Parse([]byte("steps: [{weight_bp: 10000, minimum_seconds: 2, minimum_requests: 3}]\nrails: {p99_ms: 900}\n"))
	want := Default()
	want.Steps = []Step{{WeightBP: 10_000, MinimumSeconds: 2, MinimumRequests: 3}}
	want.Rails.P99Ms = 900
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Example))
	f.Add([]byte("steps: [{weight_bp: 10000}]"))
	f.Add([]byte("named: {first: [a, b], back: [c]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		for _, step := range []int{0, len(p.Steps) - 1} {
			own := map[string]uint16{}
			for i, name := range slices.Concat(p.Named.First, p.Named.Back) {
				own[name] = chain.SlotsMax + uint16(i)
			}
			if c, err := p.Cohorts(step, own); err != nil || c.Canary.Weight() != p.Steps[step].WeightBP || p.Named.CheckOwn(own) != nil {
				t.Fatalf("step %d: %d, %v", step, c.Canary.Weight(), err)
			}
		}
		out, err := yaml.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(out); err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%+v is written as %s: %v", p, out, err)
		}
	})
}

func TestCohorts(t *testing.T) {
	p := Default()
	p.Named = Named{First: []string{"acme"}, Back: []string{"old bank"}}
	own := map[string]uint16{"old bank": chain.SlotsMax, "acme": chain.SlotsMax + 1, "in no list": chain.SlotsMax + 2}
	for step, c := range []struct{ canary, control, named int }{
		{100, 100, 1},
		{500, 500, 1},
		{1000, 1000, 1},
		{2500, 2500, 1},
		{5000, 5000, 1},
		{7500, 2500, 1},
		{10_000, 0, 3},
	} {
		got, err := p.Cohorts(step, own)
		named := 0
		for slot := chain.SlotsMax; slot < chain.SlotNone; slot++ {
			if got.Named.Has(uint16(slot)) {
				named++
			}
		}
		if err != nil || got.Canary.Weight() != c.canary || got.Control.Weight() != c.control || named != c.named {
			t.Errorf("step %d: %d, %d, %d, %v", step, got.Canary.Weight(), got.Control.Weight(), named, err)
		}
		m := router.Map{Version: 1, V11: got.Canary, Cohorts: own}
		if err := m.V11.Set(got.Named.Ranges()...); err != nil || m.Check() != nil || m.Weight() != c.canary {
			t.Errorf("step %d: %v, %v", step, err, m.Check())
		}
		table := router.Compile(&m)
		for _, account := range []string{"acme", "old bank", "in no list"} {
			wantV11 := account == "acme" || step == len(p.Steps)-1
			if way := table.Way(account); (way.Side == router.V11) != wantV11 {
				t.Errorf("step %d: %s goes to %v", step, account, way)
			}
		}
		for slot := range uint16(chain.SlotsMax) {
			if got.Canary.Has(slot) && got.Control.Has(slot) {
				t.Fatalf("step %d: slot %d is compared with itself", step, slot)
			}
		}
	}
	for _, step := range []int{-1, len(p.Steps)} {
		if _, err := p.Cohorts(step, own); !fault.Is(err, fault.Invalid) {
			t.Errorf("step %d: %v", step, err)
		}
	}
}

// TestNamedOwn: a plan may name only who has a slot of its own, and at no weight V11 has anybody else's.
func TestNamedOwn(t *testing.T) {
	n := Named{First: []string{"b", "d"}, Back: []string{"a"}}
	own := map[string]uint16{"a": 10_000, "b": 10_001, "c": 10_002, "d": 10_003}
	if err := n.CheckOwn(own); err != nil {
		t.Error(err)
	}
	for weight, want := range map[int][]chain.SlotRange{
		0: nil, 1: {{From: 10_001, To: 10_001}, {From: 10_003, To: 10_003}}, 9999: {{From: 10_001, To: 10_001}, {From: 10_003, To: 10_003}}, 10_000: {{From: 10_000, To: 10_003}},
	} {
		if got := n.V11(weight, own); !slices.Equal(got, want) {
			t.Errorf("at %d bp V11 has %v, must have %v", weight, got, want)
		}
	}
	if got := n.V11(10_000, nil); got != nil {
		t.Error(got)
	}
	delete(own, "a")
	if err := n.CheckOwn(own); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "named.back[0]") {
		t.Error(err)
	}
}
