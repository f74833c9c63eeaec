// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// TestParseSlots reads ranges, and refuses what is none.
func TestParseSlots(t *testing.T) {
	for text, want := range map[string][]chain.SlotRange{
		"7":                 {{From: 7, To: 7}},
		"0-99":              {{From: 0, To: 99}},
		"250,0-99,100":      {{From: 0, To: 100}, {From: 250, To: 250}},
		"9999-10001,65534":  {{From: 9999, To: 10001}, {From: 65534, To: 65534}},
		"":                  nil,
		"1-":                nil,
		"9-3":               nil,
		"65535":             nil,
		"-1":                nil,
		"1;2":               nil,
		"99999999999999999": nil,
	} {
		s, err := parseSlots(text)
		if (err == nil) != (want != nil) || err == nil && !reflect.DeepEqual(s.Ranges(), want) {
			t.Errorf("%q: %v, %v", text, s.Ranges(), err)
		}
	}
}

// TestMoveGoals: what is to be where, and first what needs no fence.
func TestMoveGoals(t *testing.T) {
	all := []chain.SlotRange{{From: 0, To: chain.SlotsMax}} // with the slot of one who is named
	named := keys.Named{"acme": chain.SlotsMax}
	for _, c := range []struct {
		flags    moveFlags
		v10, v11 []chain.SlotRange
		refused  bool
	}{
		{moveFlags{weight: 0, wait: 1}, all, nil, false},
		{moveFlags{weight: 10_000, wait: 1}, nil, all, false},
		{moveFlags{weight: 100, wait: 1}, []chain.SlotRange{{From: 100, To: 9999}}, []chain.SlotRange{{From: 0, To: 99}}, false},
		{moveFlags{weight: -1, to: "v11", slots: "10000-10000", wait: 1}, nil, []chain.SlotRange{{From: 10_000, To: 10_000}}, false},
		{moveFlags{weight: -1, to: "v11", slots: "3", wait: 1}, nil, []chain.SlotRange{{From: 3, To: 3}}, false},
		{moveFlags{weight: -1, to: "v10", slots: "3", wait: 1}, []chain.SlotRange{{From: 3, To: 3}}, nil, false},
		{moveFlags{weight: 10_001, wait: 1}, nil, nil, true},
		{moveFlags{weight: 5, slots: "3", wait: 1}, nil, nil, true},
		{moveFlags{weight: -1, to: "v12", slots: "3", wait: 1}, nil, nil, true},
		{moveFlags{weight: -1, to: "v11", wait: 1}, nil, nil, true},
		{moveFlags{weight: 5, wait: -time.Second}, nil, nil, true},
	} {
		goals, err := c.flags.goals(named)
		var v10, v11 []chain.SlotRange
		for i, g := range goals {
			if ranges := g.Slots.Ranges(); g.ToV11 {
				v11 = ranges
			} else if v10 = ranges; i > 0 {
				t.Errorf("%+v: what goes to V10 is not first", c.flags)
			}
		}
		if (err != nil) != c.refused || err == nil && (!reflect.DeepEqual(v10, c.v10) || !reflect.DeepEqual(v11, c.v11)) {
			t.Errorf("%+v: V10 %v, V11 %v, %v", c.flags, v10, v11, err)
		}
	}
}

// TestWeightGoals: named accounts go with the step in the same goal, whichever they are.
func TestWeightGoals(t *testing.T) {
	own := func(slots ...uint16) (all []chain.SlotRange) {
		for _, s := range slots {
			all = append(all, chain.SlotRange{From: s, To: s})
		}
		return all
	}
	for _, c := range []struct {
		weight   int
		named    []chain.SlotRange
		v10, v11 []chain.SlotRange
	}{
		{0, nil, []chain.SlotRange{{From: 0, To: 10_002}}, nil},
		{100, own(10_001), []chain.SlotRange{{From: 100, To: 10_000}, {From: 10_002, To: 10_002}}, []chain.SlotRange{{From: 0, To: 99}, {From: 10_001, To: 10_001}}},
		{9999, own(10_000, 10_001), []chain.SlotRange{{From: 9999, To: 9999}, {From: 10_002, To: 10_002}}, []chain.SlotRange{{From: 0, To: 9998}, {From: 10_000, To: 10_001}}},
		{10_000, []chain.SlotRange{{From: 10_000, To: 10_002}}, nil, []chain.SlotRange{{From: 0, To: 10_002}}},
	} {
		goals, err := weightGoals(c.weight, c.named, 10_002)
		if err != nil {
			t.Fatal(err)
		}
		got := map[bool][]chain.SlotRange{}
		for _, g := range goals {
			got[g.ToV11] = g.Slots.Ranges()
		}
		if !reflect.DeepEqual(got[false], c.v10) || !reflect.DeepEqual(got[true], c.v11) {
			t.Errorf("at %d bp: V10 %v, V11 %v", c.weight, got[false], got[true])
		}
	}
}

// TestMigrationStatus lets nothing go on while a gate does not hold, and says which.
func TestMigrationStatus(t *testing.T) {
	var m migrationSeen
	if j := m.status(); !j.RollbackReady || j.Verdict != "may go on" || j.Phase != migration.Idle {
		t.Errorf("%+v", j)
	}
	if m.status().Named != nil {
		t.Error("named accounts are told of, and there are none")
	}
	m.facts.Own, m.facts.NamedV11 = map[string]uint16{"a": 10_000, "b": 10_001, "c": 10_002}, []chain.SlotRange{{From: 10_001, To: 10_002}}
	if n := m.status().Named; n == nil || *n != (namedJSON{V10: 1, V11: 2}) {
		t.Errorf("%+v", n)
	}
	m.facts.Own, m.facts.NamedV11 = nil, nil
	m.facts.Moving = 3
	if j := m.status(); j.RollbackReady || j.Verdict != "hold: slots open" {
		t.Errorf("%+v", j)
	}
	if err := m.state.Apply(&migration.Entry{Seq: 1, Kind: migration.KindPlan, Text: migration.Example}); err != nil {
		t.Fatal(err)
	}
	m.facts.Moving = 0
	if j := m.status(); !j.RollbackReady || j.Verdict != "hold: start" || j.Steps != 7 || j.DrillsWanted != 3 {
		t.Errorf("%+v", j)
	}
}
