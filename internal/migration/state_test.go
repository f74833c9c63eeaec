// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestPhases are in their order, and only what moves slots is judged.
func TestPhases(t *testing.T) {
	all := Phases()
	for i, p := range all {
		for k, other := range all {
			if p.Before(other) != (i < k) {
				t.Errorf("%s before %s: %v", p, other, p.Before(other))
			}
		}
		if want := p == Canary || p == Cutover || p == Warm; p.moves() != want || p.judged() != want {
			t.Errorf("%s moves: %v, is judged: %v", p, p.moves(), p.judged())
		}
	}
	all[0] = "spoilt"
	if Phases()[0] != Idle {
		t.Error("who lists the phases can change them")
	}
}

// TestFoldRefuses does not guess what a journal means that this program did not write.
func TestFoldRefuses(t *testing.T) {
	for name, entries := range map[string][]Entry{
		"a gap":                 {{Seq: 1, Kind: KindPlan, Text: shortPlan}, {Seq: 3, Kind: KindStart}},
		"twice":                 {{Seq: 1, Kind: KindPlan, Text: shortPlan}, {Seq: 1, Kind: KindStart}},
		"no beginning":          {{Seq: 2, Kind: KindPlan, Text: shortPlan}},
		"an unknown kind":       {{Seq: 1, Kind: "abdicate"}},
		"a plan that is none":   {{Seq: 1, Kind: KindPlan, Text: "window_ms: 1"}},
		"a reverse before all":  {{Seq: 1, Kind: KindReverse}},
		"a rollback before all": {{Seq: 1, Kind: KindRollback}},
		"a step of no plan":     {{Seq: 1, Kind: KindStep}, {Seq: 2, Kind: KindPhase, Phase: Canary}},
		"a step too far":        {{Seq: 1, Kind: KindPlan, Text: shortPlan}, {Seq: 2, Kind: KindStart}, {Seq: 3, Kind: KindStep, Step: 3}},
		"a step before all":     {{Seq: 1, Kind: KindPlan, Text: shortPlan}, {Seq: 2, Kind: KindStart}, {Seq: 3, Kind: KindStep, Step: -1}},
		"a phase that is none":  {{Seq: 1, Kind: KindPlan, Text: shortPlan}, {Seq: 2, Kind: KindStart}, {Seq: 3, Kind: KindPhase, Phase: "abroad"}},
	} {
		if err := readDamaged(t, entries); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v, want it found", name, err)
		}
	}
}

// readDamaged folds, and asks what is next.
func readDamaged(t *testing.T, entries []Entry) error {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%+v: panic: %v", entries, p)
		}
	}()
	s, err := Fold(entries)
	if err == nil {
		f := goodFacts()
		Next(&s, &f)
		Gates(&s, &f)
	}
	return err
}

// FuzzFold: whatever stands in a damaged journal, it is folded or refused, and if it is folded somebody can say what is next.
func FuzzFold(f *testing.F) {
	for _, p := range Phases() {
		entries := atPhase(p)
		for i := range entries {
			entries[i].Seq = uint64(i) + 1
		}
		text, err := json.Marshal(entries)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var entries []Entry
		if json.Unmarshal(text, &entries) != nil {
			return
		}
		if err := readDamaged(t, entries); err != nil && !fault.Is(err, fault.Corrupt) {
			t.Errorf("%v, want Corrupt", err)
		}
	})
}

// TestNoDataIsHold: a window without requests says nothing, also when all that the step asks for is there: not in the canary, and not before all is called warm.
func TestNoDataIsHold(t *testing.T) {
	last := append(atPhase(Cutover), Entry{By: Controller, Kind: KindStep, Step: 2, ToBP: 10_000}, Entry{By: Controller, Kind: KindMoved, ToBP: 10_000})
	for name, entries := range map[string][]Entry{"canary": atPhase(Canary), "cutover": last} {
		s := folded(t, entries...)
		f := goodFacts()
		f.WeightBP, f.Verdict = s.TargetBP, noData()
		if a := Next(&s, &f); a.Verb != Hold || !strings.Contains(a.Why, "no request") {
			t.Errorf("%s: %+v, want to hold for requests", name, a)
		}
		if g := blocked(Gates(&s, &f)); g == nil {
			t.Errorf("%s: it holds, and all gates say that it goes forward", name)
		}
		if f.Verdict = verdict(&s, canary.Promote); f.Verdict.Decision != canary.Promote {
			continue
		}
		if a := Next(&s, &f); a.Verb != Record {
			t.Errorf("%s: %+v, want it to go forward", name, a)
		}
	}
}

// TestAgain waits longer and longer with what fails, and not long with a way back.
func TestAgain(t *testing.T) {
	entries := atPhase(Canary)
	for n, want := range []uint64{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		entries = append(entries, Entry{AtMs: beganMs, By: Controller, Kind: KindFailed, Action: Weigh, ToBP: 2500, Why: "no guard"})
		s := folded(t, entries...)
		f := goodFacts()
		f.WeightBP = 100
		wantAgain(t, &s, &f, want*1000)
		f.WeightBP = 2600 // there are more than there should be
		wantAgain(t, &s, &f, againMsMin)
		if s.Failures != n+1 {
			t.Errorf("%d failures, want %d", s.Failures, n+1)
		}
	}
	s := folded(t, append(entries, by("alice", "resume"))...)
	f := goodFacts()
	wantAgain(t, &s, &f, 0)
	s = folded(t, append(entries, Entry{By: Controller, Kind: KindMoved, ToBP: 2500})...)
	if s.Failed != nil || s.Failures != 0 {
		t.Errorf("it has worked since, and %+v has failed %d times", s.Failed, s.Failures)
	}
}

// wantAgain wants something to be tried after a time, and not before.
func wantAgain(t *testing.T, s *State, f *Facts, afterMs uint64) {
	t.Helper()
	if afterMs > 0 {
		f.NowMs = beganMs + afterMs - 1
		if a := Next(s, f); a.Verb != Hold || a.Gate != "failed" || !strings.Contains(a.Why, "no guard") {
			t.Errorf("%d ms after failure %d: %+v, want to hold", afterMs-1, s.Failures, a)
		}
	}
	f.NowMs = beganMs + afterMs
	if a := Next(s, f); a.Verb != Weigh {
		t.Errorf("%d ms after failure %d: %+v, want to weigh", afterMs, s.Failures, a)
	}
}

// TestClocksApart: who takes over with a clock that is minutes behind waits no longer for it, least of all on the way back.
func TestClocksApart(t *testing.T) {
	failed := func(bp int) Entry {
		return Entry{AtMs: beganMs + 300_000, By: Controller, Kind: KindFailed, Action: Weigh, ToBP: bp, Why: "no guard"}
	}
	for name, c := range map[string]struct {
		entries []Entry
		most    uint64
	}{
		"forward":  {append(atPhase(Canary), failed(2500)), againMsMax},
		"way back": {append(atPhase(Canary), Entry{By: Controller, Kind: KindReverse, Why: "errors"}, failed(0)), againMsMin},
	} {
		s := folded(t, c.entries...)
		f := goodFacts()
		f.WeightBP, f.NowMs = 1000, beganMs+c.most
		if a := Next(&s, &f); a.Verb != Weigh {
			t.Errorf("%s: %d ms later by the new clock: %+v, want it tried again", name, c.most, a)
		}
	}
	s := folded(t, atPhase(Decommission)...)
	f := goodFacts()
	f.NowMs = 1
	if a := Next(&s, &f); a.Verb != Hold || a.Gate != "notice" || !strings.HasPrefix(a.Why, "0 days") {
		t.Errorf("before the beginning: %+v", a)
	}
}

// TestRollbackReady says why nothing could go back.
func TestRollbackReady(t *testing.T) {
	for name, c := range map[string]struct {
		p    Phase
		set  func(*Facts)
		says string
	}{
		"good":             {Canary, func(*Facts) {}, ""},
		"late, but going":  {Canary, func(f *Facts) { f.ToV10.Ms = 1e6 }, ""},
		"closed":           {Archive, func(*Facts) {}, "has ended"},
		"closed elsewhere": {Warm, func(f *Facts) { f.Closed = true }, "has ended"},
		"no ledger":        {Canary, func(f *Facts) { f.Unknown = "no route" }, "no route"},
		"no guard":         {Canary, func(f *Facts) { f.Guard = "2 versions behind" }, "2 versions behind"},
		"no way for rows":  {Canary, func(f *Facts) { f.ToV10.Why = "a record is refused" }, "a record is refused"},
	} {
		s := folded(t, atPhase(c.p)...)
		f := goodFacts()
		c.set(&f)
		why := RollbackReady(&s, &f)
		if (why == "") != (c.says == "") || !strings.Contains(why, c.says) {
			t.Errorf("%s: %q, want %q", name, why, c.says)
		}
	}
}

// TestStanding are the gates of who has no plan.
func TestStanding(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*Facts)
		gate string
	}{
		"good":      {func(*Facts) {}, ""},
		"no ledger": {func(f *Facts) { f.Unknown = "no route" }, "ledger"},
		"no guard":  {func(f *Facts) { f.Guard = "behind" }, "guard"},
		"a move":    {func(f *Facts) { f.Moving = 7 }, "slots open"},
		"late":      {func(f *Facts) { f.ToV11.Ms = 1001 }, "sync v10_to_v11"},
		"stopped":   {func(f *Facts) { f.ToV10.Why = "refused" }, "sync v11_to_v10"},
		"not known": {func(f *Facts) { f.ToV10.Ms = -1 }, "sync v11_to_v10"},
	} {
		f := goodFacts()
		c.set(&f)
		g := blocked(Standing(&f, 1000))
		if (g == nil) != (c.gate == "") || g != nil && (g.Name != c.gate || g.Why == "") {
			t.Errorf("%s: %+v, want %q", name, g, c.gate)
		}
	}
}

// TestAlerts: where the plan names a Prometheus its alarms must be ready, and somebody must have said that he is on call.
func TestAlerts(t *testing.T) {
	with := func(oncall string, approvers ...string) []Entry {
		entries := atPhase(Cutover)
		entries[0].Text += "alerts: {prometheus: \"http://h:9090\", oncall: \"" + oncall + "\"}\n"
		for _, who := range approvers {
			entries = append(entries, by(who, "approve-oncall"))
		}
		return entries
	}
	for name, c := range map[string]struct {
		entries []Entry
		alerts  string
		says    string
	}{
		"not asked for":    {atPhase(Cutover), "no rules", ""},
		"not ready":        {with("", "alice"), "no rules", "no rules"},
		"nobody on call":   {with(""), "", "approve --for oncall"},
		"somebody":         {with("", "bob"), "", ""},
		"somebody else":    {with("alice", "bob"), "", "alice is not known"},
		"who is on call":   {with("alice", "bob", "alice"), "", ""},
		"another's firing": {with("alice", "alice"), "SyncLagging fires", "SyncLagging fires"},
	} {
		s := folded(t, c.entries...)
		f := goodFacts()
		f.Alerts = c.alerts
		why := "there is no such gate"
		for _, g := range Gates(&s, &f) {
			if g.Name == "alerts" {
				if why = g.Why; g.OK {
					why = ""
				}
			}
		}
		if (why == "") != (c.says == "") || !strings.Contains(why, c.says) {
			t.Errorf("%s: %q, want %q", name, why, c.says)
		}
	}
}
