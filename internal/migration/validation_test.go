// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/canary"
)

// TestAvailability: too little known, nobody there, too many failures; and what is not asked for.
func TestAvailability(t *testing.T) {
	for _, c := range []struct {
		plan   string
		served ServedFacts
		says   string // empty: it holds
	}{
		{"{over_seconds: 100}", ServedFacts{KnownMs: 95_000, Requests: 10_000, Failed: 1}, ""},
		{"{over_seconds: 100}", ServedFacts{KnownMs: 100_000, Requests: 9_999, Failed: 1}, "1 of the last 9999 requests"},
		{"{over_seconds: 100}", ServedFacts{KnownMs: 94_999, Requests: 10_000}, "94 s are known, of the last 100"},
		{"{over_seconds: 100}", ServedFacts{KnownMs: 100_000}, "nobody asked"},
		{"{over_seconds: 100, least_ppm: 1000000}", ServedFacts{KnownMs: 100_000, Requests: 1 << 40, Failed: 1}, "had no good answer"},
		{"{over_seconds: 100, least_ppm: 0}", ServedFacts{KnownMs: 100_000, Requests: 5, Failed: 5}, ""},
		{"{over_seconds: 0}", ServedFacts{}, ""},
	} {
		plan, err := ParsePlan([]byte("availability: " + c.plan))
		if err != nil {
			t.Fatal(err)
		}
		g := (&State{Plan: &plan}).availabilityGate(&Facts{Served: c.served})
		if g.OK != (c.says == "") || !strings.Contains(g.Why, c.says) {
			t.Errorf("%s, %+v: %+v", c.plan, c.served, g)
		}
	}
}

// TestValidate: each thing that a check looks at can fail it, and nothing else does.
func TestValidate(t *testing.T) {
	plan, err := ParsePlan([]byte(shortPlan))
	if err != nil {
		t.Fatal(err)
	}
	usage := []Usage{{Name: "node0", MemoryBytes: 3 << 20}, {Name: "node1", MemoryBytes: 256 << 20}, {Name: "node2", MemoryBytes: 5}}
	for name, spoil := range map[string]func(s *State, f *Facts, u []Usage) []Usage{
		"": func(_ *State, f *Facts, u []Usage) []Usage {
			f.Verdict.Decision = canary.Hold
			f.Verdict.Gates = append(f.Verdict.Gates, canary.Gate{Name: canary.RuleTime}, canary.Gate{Name: canary.RuleApprovals})
			return u
		},
		"pending: slots take no debits": func(_ *State, f *Facts, u []Usage) []Usage { f.Moving = 3; return u },
		"pending: late":                 func(_ *State, f *Facts, u []Usage) []Usage { f.ToV11.Ms = 5000; return u },
		"pending: no route":             func(_ *State, f *Facts, u []Usage) []Usage { f.Unknown = "no route"; return u },
		"performance: doubt": func(_ *State, f *Facts, u []Usage) []Usage {
			f.Verdict.Gates[0].Name, f.Verdict.Gates[0].OK = canary.RuleDoubt, false
			return u
		},
		"performance: no window":          func(_ *State, f *Facts, u []Usage) []Usage { f.Verdict = nil; return u },
		"availability: no good answer":    func(_ *State, f *Facts, u []Usage) []Usage { f.Served.Failed = 11; return u },
		"memory: node1 needs 257 MiB":     func(_ *State, _ *Facts, u []Usage) []Usage { u[1].MemoryBytes++; return u },
		"memory: node2: it does not tell": func(_ *State, _ *Facts, u []Usage) []Usage { u[2].Why = "it does not tell"; return u },
		"memory: no validator":            func(*State, *Facts, []Usage) []Usage { return nil },
	} {
		s, f := State{Plan: &plan, Phase: Warm, Step: 2}, goodFacts()
		f.Verdict = verdict(&s, canary.Promote)
		u := spoil(&s, &f, append([]Usage(nil), usage...))
		g := blocked(s.Validate(&f, u))
		switch which, says, _ := strings.Cut(name, ": "); {
		case name == "" && g != nil:
			t.Errorf("all is well: %+v", g)
		case name != "" && (g == nil || g.Name != which || !strings.Contains(g.Why, says)):
			t.Errorf("%s: %+v", name, g)
		}
	}
}

// TestCheckAgain: a check that did not pass is made again after a while, and does not count.
func TestCheckAgain(t *testing.T) {
	plan, err := ParsePlan([]byte(shortPlan))
	if err != nil {
		t.Fatal(err)
	}
	s := State{Plan: &plan, Phase: Warm, Seq: 7}
	check := func(atMs uint64, checks ...Gate) {
		t.Helper()
		if !s.warmCheck(atMs) {
			t.Fatalf("no check at %d ms", atMs)
		}
		if err := s.Apply(&Entry{Seq: s.Seq + 1, AtMs: atMs, Kind: KindVerified, OK: true, Checks: checks}); err != nil {
			t.Fatal(err)
		}
	}
	if s.warmCheck(59_999) {
		t.Error("a check before its time")
	}
	check(60_000, Gate{Name: "memory", Why: "too much"})
	if g := s.checksGate(); s.WarmChecks != 0 || g.OK || !strings.Contains(g.Why, "memory: too much") || s.warmCheck(119_999) {
		t.Errorf("%d checks passed, %+v", s.WarmChecks, g)
	}
	check(120_000, Gate{Name: "memory", OK: true})
	if g := s.checksGate(); s.WarmChecks != 1 || g.OK || !strings.Contains(g.Why, "1 checks, of 2") {
		t.Errorf("%d checks passed, %+v", s.WarmChecks, g)
	}
	check(120_001)
	if g := s.checksGate(); s.WarmChecks != 2 || !g.OK {
		t.Errorf("%d checks passed, %+v", s.WarmChecks, g)
	}
}
