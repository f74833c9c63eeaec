// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// lastDays is the state in the last days of V10, whose customers have notice by a webhook, or by people.
func lastDays(t *testing.T, webhook bool, more ...Entry) State {
	t.Helper()
	entries := atPhase(Decommission)
	if webhook {
		entries[0].Text = strings.ReplaceAll(shortPlan, "notice_days: 2", "notice_days: 2, webhook: 'https://h/x', webhook_secret: s")
	}
	return folded(t, append(entries, more...)...)
}

func told(who string, day int, ok bool) Entry {
	return Entry{By: Controller, Kind: KindNoticed, For: who, AtMs: beganMs + uint64(day)*dayMs, OK: ok}
}

func calls(who string, day int) Caller { return Caller{who, beganMs + uint64(day)*dayMs} }

// TestNotices: who calls V10 in its last days has notice once, and again each week in which it calls. The days count from the first that arrived.
func TestNotices(t *testing.T) {
	for name, c := range map[string]struct {
		s       State
		day     int
		callers []Caller
		why     string
		due     string
		gate    string
	}{
		"nobody calls":           {lastDays(t, true), 1, nil, "", "", "1 days, of 2"},
		"nobody calls for days":  {lastDays(t, true), 2, nil, "", "", ""},
		"called before":          {lastDays(t, true), 2, []Caller{calls("a", -1)}, "", "", ""},
		"calls":                  {lastDays(t, true), 2, []Caller{calls("a", 1), calls("b", 2)}, "", "a b", "somebody calls V10, and nobody has notice yet"},
		"one has notice":         {lastDays(t, true, told("a", 2, true)), 3, []Caller{calls("a", 3), calls("b", 3)}, "", "b", "1 days, of 2"},
		"both have":              {lastDays(t, true, told("a", 2, true), told("b", 3, true)), 4, []Caller{calls("a", 4), calls("b", 4)}, "", "", ""},
		"a week later":           {lastDays(t, true, told("a", 2, true)), 9, []Caller{calls("a", 8)}, "", "a", ""},
		"calls no more":          {lastDays(t, true, told("a", 2, true)), 9, []Caller{calls("a", 1)}, "", "", ""},
		"the only one refused":   {lastDays(t, true, told("a", 1, false)), 1, []Caller{calls("a", 1)}, "", "", "1 days, of 2"},
		"nobody knows":           {lastDays(t, true), 5, nil, "no guard", "", "nobody knows who calls V10: no guard"},
		"somebody knew":          {lastDays(t, true, told("a", 0, true)), 5, nil, "no guard", "", ""},
		"people tell":            {lastDays(t, false), 1, []Caller{calls("a", 1)}, "", "", "1 days, of 2"},
		"people told":            {lastDays(t, false), 2, []Caller{calls("a", 1)}, "", "", ""},
		"V10 is off":             {lastDays(t, true, by("ann", "stop"), Entry{By: Controller, Kind: KindOff}), 1, []Caller{calls("a", 1)}, "no guard", "", ""},
		"the archive is not yet": {folded(t, atPhase(Archive)...), 1, []Caller{calls("a", 1)}, "", "", ""},
	} {
		f := goodFacts()
		f.Closed, f.NowMs, f.Callers, f.CallersWhy, f.WeightBP = true, beganMs+uint64(c.day)*dayMs, c.callers, c.why, 10_000
		var due []string
		for _, d := range c.s.Due(&f) {
			due = append(due, d.Caller)
		}
		var said string
		for _, g := range Gates(&c.s, &f) {
			if g.Name == "notice" {
				said = g.Why
			}
		}
		if strings.Join(due, " ") != c.due || said != c.gate {
			t.Errorf("%s: due %v, the gate says %q; want %s, %q", name, due, said, c.due, c.gate)
		}
		if a := Next(&c.s, &f); (a.Verb == Notify) != (c.due != "") && c.s.Stop == nil {
			t.Errorf("%s: next is %+v", name, a)
		}
	}
}

// TestNoticesAtOnce: many are told bit by bit, and each says until when V10 is there.
func TestNoticesAtOnce(t *testing.T) {
	s, f := lastDays(t, true), goodFacts()
	f.Closed = true
	for i := range 3 * NoticesAtOnce {
		f.Callers = append(f.Callers, calls(fmt.Sprint(i), 1))
	}
	f.NowMs += dayMs
	a := Next(&s, &f)
	if a.Verb != Notify || len(a.Due) != NoticesAtOnce || a.EndMs != f.NowMs+2*dayMs {
		t.Errorf("%s of %d until %d", a.Verb, len(a.Due), a.EndMs)
	}
	first := told("0", 1, true)
	first.Seq = s.Seq + 1
	if err := s.Apply(&first); err != nil {
		t.Fatal(err)
	}
	f.NowMs += dayMs
	if a = Next(&s, &f); a.EndMs != first.AtMs+2*dayMs || a.Due[0].Caller != "1" {
		t.Errorf("until %d for %v, want the end of the first notice", a.EndMs, a.Due[0])
	}
}

// TestOverGoesBeforeNotices: once V10 may be off it is switched off, whoever calls.
func TestOverGoesBeforeNotices(t *testing.T) {
	s, f := lastDays(t, true, told("a", 0, true), by("ann", "stop")), goodFacts()
	f.Closed, f.NowMs, f.Callers = true, f.NowMs+9*dayMs, []Caller{calls("a", 8), calls("b", 8)}
	if a := Next(&s, &f); a.Verb != SwitchOff {
		t.Errorf("next is %+v", a)
	}
	f.NowMs = beganMs + dayMs
	if a := Next(&s, &f); a.Verb != Notify || !reflect.DeepEqual(a.Due, []Due{{Caller: "b"}}) {
		t.Errorf("before the end next is %+v", a)
	}
}
