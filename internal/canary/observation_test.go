// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/router"
)

// TestAdd: what counts as what, and whose it is.
func TestAdd(t *testing.T) {
	p := Default()
	p.Named.First = []string{"acme"}
	cohorts, err := p.Cohorts(0, map[string]uint16{"acme": chain.SlotsMax, "other": chain.SlotsMax + 1})
	if err != nil {
		t.Fatal(err)
	}
	const canary, control, named = 7, 9999, chain.SlotsMax
	for _, c := range []struct {
		name    string
		slot    uint16
		status  int
		seconds float64
		want    Counts
		samples int
	}{
		{"good", canary, 200, 0.25, Counts{Requests: 1}, 0},
		{"slow", canary, 200, 0.251, Counts{Requests: 1, Slow: 1}, 1},
		{"very slow", canary, 200, 0.501, Counts{Requests: 1, Slow: 1, SlowRail: 1}, 1},
		{"error", canary, 500, 0, Counts{Requests: 1, Errors: 1}, 1},
		{"slow error", canary, 504, 30, Counts{Requests: 1, Errors: 1, Slow: 1, SlowRail: 1}, 1},
		{"no answer", canary, 0, 0, Counts{Requests: 1, Errors: 1}, 1},
		{"the client went", canary, 499, 0.1, Counts{Requests: 1}, 0},
		{"the client's mistake", canary, 400, 0, Counts{Requests: 1}, 0},
		{"told to wait", canary, 429, 0, Counts{Requests: 1}, 0},
		{"error of a named one", named, 502, 0, Counts{Requests: 1, Errors: 1}, 1},
		{"error of the control", control, 502, 0, Counts{Requests: 1, Errors: 1}, 0},
		{"of neither", 500, 502, 0, Counts{}, 0},
		{"of one who stays back", named + 1, 502, 0, Counts{}, 0},
		{"without an account", chain.SlotNone, 502, 0, Counts{}, 0},
	} {
		var o Observation
		o.Add(&p, &cohorts, &router.Outcome{ID: "1", Slot: c.slot, Status: c.status, Seconds: c.seconds})
		got := map[uint16]Counts{canary: o.Canary, control: o.Control, named: o.Named}[c.slot]
		total := o.Canary.Requests + o.Control.Requests + o.Named.Requests
		if got != c.want || total != c.want.Requests || len(o.Samples) != c.samples {
			t.Errorf("%s: %+v", c.name, o)
		}
	}
}

func TestAddCompared(t *testing.T) {
	p := Default()
	cohorts, err := p.Cohorts(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	var o Observation
	for i := range 10 {
		o.AddCompared(&cohorts, &router.Outcome{Slot: 7}, i < 7)
		o.AddCompared(&cohorts, &router.Outcome{Slot: 9999}, i < 2)
		o.AddCompared(&cohorts, &router.Outcome{Slot: chain.SlotNone}, true)
	}
	if o.Canary != (Counts{Compared: 10, Wrong: 7}) || o.Control != (Counts{Compared: 10, Wrong: 2}) || len(o.Samples) != SamplesMax {
		t.Errorf("%+v", o)
	}
	o.FromMs, o.ToMs = 0, 1000
	if why := o.check(0); why != "" {
		t.Errorf("what Add makes is refused: %s", why)
	}
}
