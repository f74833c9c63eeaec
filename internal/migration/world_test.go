// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/router"
)

// shortPlan goes by minutes where a real one goes by days.
const shortPlan = `
verify: {fresh_seconds: 600}
shadow: {minimum_compared: 50, differs_bp: 100}
canary:
  steps:
    - {weight_bp: 100, minimum_seconds: 60, minimum_requests: 100}
    - {weight_bp: 2500, minimum_seconds: 60, minimum_requests: 100, approvals: 1}
    - {weight_bp: 10000, minimum_seconds: 60, minimum_requests: 100}
drills: {count: 1, slots: 50}
cutover: {approvals: 2, slice_bp: 4000}
availability: {over_seconds: 100}
warm: {checks_after_seconds: [60, 120]}
close: {approvals: 1}
decommission: {notice_days: 2}
`

const (
	beganMs = 1_790_000_000_000
	dayMs   = 24 * 3600 * 1000
)

// goodFacts are how things stand when nothing is wrong and no slot has moved.
func goodFacts() Facts {
	return Facts{NowMs: beganMs, Copied: true, ToV11: Lag{Ms: 5}, ToV10: Lag{Ms: 7}, Shadow: ShadowFacts{Compared: 1000}, Served: ServedFacts{KnownMs: 99_000, Requests: 100_000, Failed: 10}}
}

// verdict is one of the judge's, about the step under way.
func verdict(s *State, d canary.Decision) *canary.Verdict {
	v := &canary.Verdict{Decision: d, Rule: canary.RulePlan, Why: "the step has all that the plan asks for", Gates: []canary.Gate{{Name: canary.RuleTime, OK: true, Why: "60 s"}}}
	switch d {
	case canary.Hold:
		v.Rule, v.Why = canary.RuleTime, "7 s with requests, of 60"
		v.Gates[0] = canary.Gate{Name: canary.RuleTime, Why: v.Why}
	case canary.Reverse:
		v.Rule, v.Why, v.Gates = canary.RuleErrorRate, "too many errors", []canary.Gate{}
	}
	if want := s.Plan.Canary.Steps[s.Step].Approvals; d == canary.Promote && len(s.Approvers(ForStep)) < want {
		v.Decision, v.Rule, v.Why = canary.Hold, canary.RuleApprovals, fmt.Sprintf("%d approvals, of %d", len(s.Approvers(ForStep)), want)
		v.Gates = append(v.Gates, canary.Gate{Name: canary.RuleApprovals, Why: v.Why})
	}
	return v
}

// noData is the verdict about a window without requests, of a step that has all else.
func noData() *canary.Verdict {
	return &canary.Verdict{Decision: canary.Hold, Rule: canary.RuleNoData, Why: "no request of the accounts that moved", Gates: []canary.Gate{{Name: canary.RuleTime, OK: true, Why: "60 s"}}}
}

// kept is an entry as a journal keeps it.
func kept(t testing.TB, e Entry) Entry {
	t.Helper()
	text, err := json.Marshal(&e)
	if err != nil {
		t.Fatal(err)
	}
	var back Entry
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// folded is the state of entries, which get their numbers here.
func folded(t testing.TB, entries ...Entry) State {
	t.Helper()
	for i := range entries {
		entries[i].Seq = uint64(i) + 1
		if entries[i].AtMs == 0 {
			entries[i].AtMs = beganMs
		}
		entries[i] = kept(t, entries[i])
	}
	s, err := Fold(entries)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// atPhase are entries that lead to a phase, with all that is V11's there at rest.
func atPhase(p Phase) (entries []Entry) {
	if p == Idle {
		return nil
	}
	entries = []Entry{{By: "alice", Kind: KindPlan, Text: shortPlan}}
	if p == Planned {
		return entries
	}
	entries = append(entries, Entry{By: "alice", Kind: KindStart})
	for _, next := range Phases()[3:] {
		if p.Before(next) {
			return entries
		}
		entries = append(append(entries, Entry{By: Controller, Kind: KindPhase, Phase: next}), within(next)...)
	}
	return entries
}

// within is what happens at the beginning of a phase.
func within(p Phase) []Entry {
	weigh := func(k Kind, step, bp int) []Entry {
		return []Entry{{By: Controller, Kind: k, Step: step, ToBP: bp}, {By: Controller, Kind: KindMoved, ToBP: bp}}
	}
	switch p {
	case Shadow:
		return []Entry{{By: Controller, Kind: KindVerified, OK: true, Rows: 9}}
	case Canary:
		return append(weigh(KindStep, 0, 100), weigh(KindStep, 1, 2500)...)
	case Warm:
		entries := weigh(KindStep, 2, router.WeightWhole)
		return append(entries, Entry{AtMs: beganMs + 60_000, By: Controller, Kind: KindVerified, OK: true}, Entry{AtMs: beganMs + 120_000, By: Controller, Kind: KindVerified, OK: true})
	case Archive:
		return []Entry{{By: Controller, Kind: KindClosed}}
	case Decommission:
		return []Entry{{By: Controller, Kind: KindArchived, Report: "manifest"}}
	}
	return nil
}
