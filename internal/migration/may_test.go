// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// verbs are the entries of operators, by the words of the tables below.
var verbs = map[string]Entry{
	"plan": {Kind: KindPlan, Text: shortPlan}, "plan-automatic": {Kind: KindPlan, Text: shortPlan + "failback: {sealed: automatic, after_seconds: 30}\n"}, "start": {Kind: KindStart}, "pause": {Kind: KindPause, Why: "lunch"}, "resume": {Kind: KindResume},
	"approve-step": {Kind: KindApprove, For: ForStep}, "approve-cutover": {Kind: KindApprove, For: ForCutover}, "approve-close": {Kind: KindApprove, For: ForClose},
	"approve-oncall": {Kind: KindApprove, For: ForOncall},
	"promote":        {Kind: KindPromote}, "rollback-0": {Kind: KindRollback}, "rollback-100": {Kind: KindRollback, ToBP: 100}, "drill": {Kind: KindRehearse},
	"drill-alarm": {Kind: KindRehearse, Alarm: true}, "failback": {Kind: KindFailback}, "failback-without": {Kind: KindFailback, Without: []string{"node3"}},
	"cutover": {Kind: KindCutover}, "verify": {Kind: KindCheck}, "close": {Kind: KindClose}, "stop": {Kind: KindStop},
	"noticed": {Kind: KindNoticed, For: "key/abc", OK: true}, "cleaned": {Kind: KindCleaned},
}

// TestMayInEachPhase has every verb in every phase: + it may, = it is so already, - it is not its turn.
func TestMayInEachPhase(t *testing.T) {
	const table = `
		verb            idle plan copy sync verify shadow canary cutover warm close archive decommission
		plan            +    +    -    -    -      -      -      -       -    -     -       +
		plan-automatic  +    +    -    -    -      -      -      -       -    -     -       -
		start           -    +    =    =    =      =      =      =       =    =     =       =
		pause           -    -    +    +    +      +      +      +       +    +     +       +
		resume          -    -    =    =    =      =      =      =       =    =     =       =
		approve-step    -    -    -    -    -      -      +      +       -    -     -       -
		approve-cutover -    -    -    -    -      -      +      +       -    -     -       -
		approve-close   -    -    -    -    -      -      -      -       +    -     -       -
		approve-oncall  -    -    -    -    -      -      +      +       -    -     -       -
		promote         -    -    -    -    -      -      +      +       -    -     -       -
		rollback-0      -    -    +    +    +      +      +      +       +    -     -       -
		rollback-100    -    -    -    -    -      -      +      +       +    -     -       -
		failback        -    -    -    -    -      -      +      +       +    -     -       -
		failback-without -   -    -    -    -      -      +      +       +    -     -       -
		drill           -    -    -    -    -      -      +      +       +    -     -       -
		drill-alarm     -    -    -    -    -      -      +      +       +    -     -       -
		cutover         -    -    -    -    -      -      -      +       =    =     =       =
		verify          -    -    -    +    +      +      +      +       +    -     -       -
		close           -    -    -    -    -      -      -      -       +    =     =       =
		stop            -    -    -    -    -      -      -      -       -    -     -       +
		noticed         -    -    -    -    -      -      -      -       -    -     -       +
		cleaned         -    -    -    -    -      -      -      -       -    -     -       -`
	wantMay(t, table, func(phase string) State { return folded(t, atPhase(Phase(phase))...) })
}

// TestMayWhen has every verb behind something that was said before. Where it says nothing else that is in the canary, at its second step.
func TestMayWhen(t *testing.T) {
	behind := map[string][]Entry{
		"paused":    append(atPhase(Canary), by("alice", "pause")),
		"reversed":  append(atPhase(Canary), Entry{By: Controller, Kind: KindReverse, Why: "errors"}),
		"resumed":   append(atPhase(Canary), Entry{By: Controller, Kind: KindReverse, Why: "errors"}, by("alice", "resume")),
		"failed":    append(atPhase(Canary), Entry{By: Controller, Kind: KindFailed, Action: Weigh, Why: "no guard"}),
		"approved":  append(atPhase(Cutover), by("alice", "approve-step"), by("alice", "approve-cutover")),
		"asked":     append(atPhase(Cutover), by("alice", "promote"), by("alice", "drill"), by("alice", "verify"), by("alice", "cutover")),
		"moving":    append(atPhase(Cutover), Entry{By: Controller, Kind: KindSlice, ToBP: 6500}),
		"unchecked": atPhase(Warm)[:len(atPhase(Warm))-1],
		"sealing":   append(atPhase(Canary), by("alice", "failback")),
		"sealed":    append(atPhase(Canary), by("alice", "failback"), Entry{By: Controller, Kind: KindSealed}, Entry{By: Controller, Kind: KindMoved}),
		"closing":   append(atPhase(Warm), by("alice", "close")),
		"stopped":   append(atPhase(Decommission), by("alice", "stop")),
		"off":       append(atPhase(Decommission), by("alice", "stop"), Entry{By: Controller, Kind: KindOff}),
		"cleaned":   append(atPhase(Decommission), by("alice", "stop"), Entry{By: Controller, Kind: KindOff}, by("alice", "cleaned")),
	}
	const table = `
		verb            paused reversed resumed failed approved asked moving unchecked sealing sealed closing stopped off cleaned
		plan            +      +        -       -      -        -     -      -         +       +      -       +       -   -
		plan-automatic  +      +        -       -      -        -     -      -         +       +      -       -       -   -
		start           =      =        =       =      =        =     =      =         =       =      =       =       =   =
		pause           =      +        +       +      +        +     +      +         +       +      +       +       +   +
		resume          +      +        =       +      =        =     =      =         +       +      =       =       =   =
		approve-step    +      +        +       +      =        +     +      -         +       +      -       -       -   -
		approve-cutover +      +        +       +      =        +     +      -         +       +      -       -       -   -
		approve-close   -      -        -       -      -        -     -      +         -       -      +       -       -   -
		approve-oncall  +      +        +       +      +        +     +      -         +       +      -       -       -   -
		promote         -      -        -       +      +        =     +      -         -       -      -       -       -   -
		rollback-0      +      =        +       +      +        +     +      +         =       =      +       -       -   -
		rollback-100    +      -        -       +      +        +     +      +         -       -      +       -       -   -
		failback        +      +        +       +      +        +     +      +         =       =      +       -       -   -
		failback-without +     +        +       +      +        +     +      +         +       =      +       -       -   -
		drill-alarm     -      -        -       +      +        =     -      +         -       -      +       -       -   -
		drill           -      -        -       +      +        =     -      +         -       -      +       -       -   -
		cutover         -      -        -       -      +        =     +      =         -       -      =       =       =   =
		verify          +      +        +       +      +        =     +      +         +       +      +       -       -   -
		close           -      -        -       -      -        -     -      -         -       -      =       =       =   =
		stop            -      -        -       -      -        -     -      -         -       -      -       =       =   =
		noticed         -      -        -       -      -        -     -      -         -       -      -       +       -   -
		cleaned         -      -        -       -      -        -     -      -         -       -      -       -       +   =`
	wantMay(t, table, func(name string) State { return folded(t, behind[name]...) })
}

func by(who, verb string) Entry {
	e := verbs[verb]
	e.By = who
	return e
}

func wantMay(t *testing.T, table string, state func(column string) State) {
	t.Helper()
	var columns []string
	seen := 0
	for line := range strings.Lines(strings.TrimSpace(table)) {
		cells := strings.Fields(line)
		if columns == nil {
			columns = cells[1:]
			continue
		}
		seen++
		for i, want := range cells[1:] {
			s, again := state(columns[i]), state(columns[i])
			e := by("alice", cells[0])
			if err := May(&s, &e); answer(err) != want {
				t.Errorf("%s, %s: %s (%v), want %s", columns[i], cells[0], answer(err), err, want)
			}
			if !reflect.DeepEqual(s, again) {
				t.Errorf("%s, %s: to ask has changed the state", columns[i], cells[0])
			}
		}
	}
	if seen != len(verbs) {
		t.Errorf("%d verbs in the table, want %d", seen, len(verbs))
	}
}

func answer(err error) string {
	switch {
	case err == nil:
		return "+"
	case fault.ReasonOf(err) == ReasonAlready && fault.Is(err, fault.Conflict):
		return "="
	case fault.ReasonOf(err) == ReasonOrder && fault.Is(err, fault.Refused):
		return "-"
	}
	return err.Error()
}

// TestMayNever has what is wrong whenever it is said.
func TestMayNever(t *testing.T) {
	s := folded(t, atPhase(Cutover)...)
	last := folded(t, atPhase(Decommission)...)
	paused := folded(t, append(atPhase(Cutover), by("alice", "pause"))...)
	for name, c := range map[string]struct {
		s    *State
		e    Entry
		says string
	}{
		"a word of the controller's":       {&s, Entry{Kind: KindStep}, `"step"`},
		"another word":                     {&s, Entry{Kind: "abdicate"}, `"abdicate"`},
		"an approval for nothing":          {&s, Entry{Kind: KindApprove}, "cutover"},
		"an approval for all":              {&s, Entry{Kind: KindApprove, For: "all"}, "cutover"},
		"a rollback to no step":            {&s, Entry{Kind: KindRollback, ToBP: 777}, "[100 2500 10000]"},
		"a rollback below nothing":         {&s, Entry{Kind: KindRollback, ToBP: -1}, "-1"},
		"a plan that cannot be followed":   {&paused, Entry{Kind: KindPlan, Text: "window_ms: 1"}, "window_ms"},
		"a plan without the present share": {&paused, Entry{Kind: KindPlan, Text: strings.ReplaceAll(shortPlan, "2500", "2501")}, "2500 bp"},
		"a rollback to what is":            {&s, Entry{Kind: KindRollback, ToBP: 2500}, "no way back"},
		"a notice for nobody":              {&last, Entry{Kind: KindNoticed}, "for somebody"},
		"another canary in the last days":  {&last, Entry{Kind: KindPlan, Text: strings.ReplaceAll(shortPlan, "2500", "2501")}, "its plan stays"},
		"a rollback upwards":               {&s, Entry{Kind: KindRollback, ToBP: 10_000}, "no way back"},
	} {
		if err := May(c.s, &c.e); err == nil || !strings.Contains(err.Error(), c.says) || answer(err) == "=" {
			t.Errorf("%s: %v, want a refusal that says %s", name, err, c.says)
		}
	}
}

// TestPauseWithoutReason: who pauses without a word has paused, or is asked for one.
func TestPauseWithoutReason(t *testing.T) {
	s := folded(t, atPhase(Canary)...)
	e := Entry{Seq: s.Seq + 1, By: "alice", Kind: KindPause}
	if May(&s, &e) != nil {
		return
	}
	if err := s.Apply(&e); err != nil || s.Paused == "" {
		t.Errorf("a pause without a reason may be written, and is none: %v", err)
	}
}

// TestApprovals counts people, not approvals, and none of what was before a step or a way back.
func TestApprovals(t *testing.T) {
	s := folded(t, append(atPhase(Canary), by("alice", "approve-cutover"), by("bob", "approve-cutover"), by("alice", "approve-cutover"), by("carol", "approve-step"))...)
	if who := s.Approvers(ForCutover); !reflect.DeepEqual(who, []string{"alice", "bob"}) {
		t.Errorf("the cutover is approved by %v", who)
	}
	next := Entry{Seq: s.Seq + 1, Kind: KindStep, Step: 1, ToBP: 2500}
	if err := s.Apply(&next); err != nil || len(s.Approvers(ForStep)) > 0 || len(s.Approvers(ForCutover)) != 2 {
		t.Errorf("behind a step: %v and %v, %v", s.Approvers(ForStep), s.Approvers(ForCutover), err)
	}
	back := Entry{Seq: s.Seq + 1, Kind: KindReverse}
	if err := s.Apply(&back); err != nil || len(s.Approvers(ForCutover)) > 0 {
		t.Errorf("behind a way back: %v, %v", s.Approvers(ForCutover), err)
	}
}
