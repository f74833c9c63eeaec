// SPDX-License-Identifier: Apache-2.0

package move

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/model/check"
)

// find gives the scenario of a name.
func find(t *testing.T, name string) check.Scenario {
	t.Helper()
	for _, s := range Scenarios() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no scenario %q", name)
	return check.Scenario{}
}

// TestMoveHolds searches all states within the bounds of each scenario, and wants the recorded number of them, no violation, and a
// way to rest from each.
func TestMoveHolds(t *testing.T) {
	seen := map[uint16]bool{}
	for _, s := range Scenarios() {
		if s.Tier == check.Long || (testing.Short() && s.Tier > check.Short) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			r, err := s.Verify(check.Options{Progress: true})
			if err != nil {
				for i, line := range r.Trace {
					t.Logf("%3d  %s", i+1, line)
				}
				t.Fatal(err)
			}
			for kind, n := range r.Kinds {
				seen[uint16(kind)<<8] = seen[uint16(kind)<<8] || n > 0
			}
		})
	}
	if testing.Short() {
		return // not all actions happen there
	}
	onlyWithoutARule := map[uint16]bool{actAdmit: true, actRestartV10: true, actUndo: true, actSealOpen: true, actFailback: true}
	for action, name := range actionNames {
		if seen[action] == onlyWithoutARule[action] {
			t.Errorf("%q happened: %t", name, seen[action])
		}
	}
}

// TestEachRuleIsNeeded takes one rule away at a time, and wants the shortest way to what then breaks.
func TestEachRuleIsNeeded(t *testing.T) {
	const moveIn = "MoveSlots to V11 with the fence of slot 0 at home_version 0"
	tried := map[string]bool{PositionChecked.String(): true, ClosePosition.String(): true} // TestLeakIsSeen, TestCloseWaitsForALeak
	for _, c := range []struct {
		rule     Rule
		scenario string
		steps    int
		breaks   string
		last     string
	}{
		{ClosedIsDurable, "two", 7, TwoHomes, moveIn},
		{VersionIsDurable, "seal", 11, TwoHomes, "MoveSlots to V11 with the fence of slot 0 at home_version 1"},
		{Barrier, "two", 7, TwoHomes, moveIn},
		{Barrier, "network", 8, TwoHomes, moveIn},
		{GenerationAtExecution, "two", 7, TwoHomes, moveIn},
		{GenerationIsDurable, "two", 7, TwoHomes, "V10 restarts"},
		{WaitForAll, "foreign", 7, TwoHomes, moveIn},
		{BarrierIsCaptured, "v11-first", 6, check.NoProgress, "the guard closes slot 0 at home_version 1"},
		{CompareAndSet, "seal", 8, TwoHomes, moveIn},
		{OneVersion, "both", 9, TwoHomes, "MoveSlots to V11 with the fence of slot 0 at home_version 0"},
		{RequiredPosition, "two", 7, PaidTwice, "V11 executes payment 1"},
		{RequiredPosition, "seal", 9, Negative + " (V11)", "sync brings position 1 to V11"},
		{AbortInLedger, "two", 6, TwoHomes, moveIn},
		{AbortRaisesVersion, "seal", 8, TwoHomes, moveIn},
		{OpenAfterApplied, "v11-first", 6, PaidTwice, "V10 executes payment 1"},
		{OpenAfterApplied, "seal", 14, Negative + " (V10)", "sync brings height 3 to V10"},
		{PublishedHomes, "v11-first", 8, TwoHomes, "sync brings height 1 to V10"},
		{PublishedHomes, "seal", 9, NotOwned, "sync brings position 1 to V11"},
		{PublishedAnswers, "v11-first", 3, Lost, "seal at height 0, slots unchanged"},
		{KeysTravel, "v11-first", 7, Broke, "V10 refuses payment 1: insufficient"},
		{RefusalsTravel, "credit", 11, Broke, "V10 executes payment 2"},
		{RefusalsTravel, "network-credit", 15, Broke, "V10 executes payment 2"},
		{RepeatsAnswered, "credit", 4, Broke, "height 2 is certified and published"},
		{SealAtPublished, "v11-first", 4, Lost, "seal at height 0, slots unchanged"},
		{OneVerdict, "v11-first", 4, TwoHomes, "V11 restarts from the seal"},
		{CloseOwnsNothing, "close", 7, Dropped, "V10 executes payment 1"},
		{CloseEndsMoves, "close-seal", 12, check.NoProgress, "MoveSlots to V10, slot 0"},
		{CloseEndsFailback, "close-seal", 12, check.NoProgress, "seal at height 4, all slots to V10"},
		{CloseEndsCapture, "close", 16, Differ, "the guard takes the homes of height 4"},
		{NativeAfterClose, "close", 2, Differ, "height 1 is certified and published"},
	} {
		tried[c.rule.String()] = true
		t.Run(c.rule.String()+" "+c.scenario, func(t *testing.T) {
			if testing.Short() && c.scenario == "network-credit" {
				t.Skip("long under the race detector")
			}
			r, err := find(t, c.scenario).Run([]string{c.rule.String()}, check.Options{Progress: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.Violation != c.breaks || len(r.Trace) != c.steps || r.Last() != c.last {
				t.Errorf("%q after %d steps; want %q after %d, with %q:\n%s", r.Violation, len(r.Trace), c.breaks, c.steps, c.last,
					strings.Join(r.Trace, "\n"))
			}
		})
	}
	for _, rule := range Rules() {
		if !tried[rule.String()] {
			t.Errorf("nobody takes %s away", rule)
		}
	}
}

// TestLeakIsSeen takes the barrier away and does not stop at two homes. A repeat is then paid twice; and where nobody repeats, the write that
// leaked out of V10 must be found by sync, which compares its position with the fence. Without that comparison it ends in a balance
// below zero.
func TestLeakIsSeen(t *testing.T) {
	one, two := []uint8{0}, []uint8{0, 0}
	for _, c := range []struct {
		payers  []uint8
		sends   uint8
		without []Rule
		breaks  string
		last    string
	}{
		{one, 2, []Rule{Barrier}, PaidTwice, "V11 executes payment 0"},
		{two, 1, []Rule{Barrier}, NotOwned, "sync brings position 1 to V11"},
		{two, 1, []Rule{Barrier, PositionChecked}, Negative + " (V11)", "sync brings position 1 to V11"},
	} {
		spec, err := Spec(Config{
			Payers: c.payers, Sends: c.sends, Balance: [2]uint8{1, 1}, Moves: 1, Crashes: 1, Depth: 2, Blind: true, Without: c.without,
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := check.Run(spec, check.Options{})
		if err != nil || r.Violation != c.breaks || r.Last() != c.last {
			t.Errorf("without %v: %q, %v:\n%s", c.without, r.Violation, err, strings.Join(r.Trace, "\n"))
		}
	}
}

// TestCloseWaitsForALeak takes the barrier away, and has sync stand before what it refuses, as the product does. A write that leaked out of V10
// before the mark of a close then keeps the close away: what is lost can only leak out behind it. Without the mark the close drops the one
// before it as well.
func TestCloseWaitsForALeak(t *testing.T) {
	for _, c := range []struct {
		without []Rule
		steps   int
		last    string
	}{
		{[]Rule{Barrier}, 14, "height 3 is certified and published"},
		{[]Rule{Barrier, ClosePosition}, 11, "V10 executes payment 0"},
	} {
		spec, err := Spec(Config{
			Payers: []uint8{0}, Sends: 1, Balance: [2]uint8{1, 1}, V11Owns: [2]bool{false, true}, Moves: 1, Crashes: 1, Depth: 2, Blind: true, Stands: true, Close: true,
			Without: c.without,
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := check.Run(spec, check.Options{})
		if err != nil || r.Violation != Dropped || len(r.Trace) != c.steps || r.Last() != c.last {
			t.Errorf("without %v: %q, %v:\n%s", c.without, r.Violation, err, strings.Join(r.Trace, "\n"))
		}
	}
}

// TestAbortMustBePublished: a guard that reopens on an abort that the seal drops meets the fence that the abort was to make stale.
func TestAbortMustBePublished(t *testing.T) {
	spec, err := Spec(Config{Moves: 1, Stuck: 1, Depth: 2, Without: []Rule{PublishedHomes}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := check.Run(spec, check.Options{})
	const last = "MoveSlots to V11 with the fence of slot 0 at home_version 0"
	if err != nil || r.Violation != TwoHomes || len(r.Trace) != 10 || r.Last() != last {
		t.Errorf("%q, %v:\n%s", r.Violation, err, strings.Join(r.Trace, "\n"))
	}
}

func TestSpecRefusesWhatDoesNotFit(t *testing.T) {
	for _, c := range []Config{
		{Payers: []uint8{0, 0, 0, 0}, Sends: 1}, {Payers: []uint8{0, 0, 0}, Sends: 3}, {Payers: []uint8{2}, Sends: 1},
	} {
		if _, err := Spec(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if _, err := find(t, "one").Run([]string{"no-such-rule"}, check.Options{}); err == nil {
		t.Error("an unknown rule was taken")
	}
}

// TestBoundIsNotSilent: a search that the packed state cannot hold ends in a violation.
func TestBoundIsNotSilent(t *testing.T) {
	if testing.Short() {
		t.Skip("long under the race detector")
	}
	spec, err := Spec(Config{Payers: []uint8{0}, Sends: 1, Balance: [2]uint8{1, 1}, Moves: 12, Depth: 1})
	if err != nil {
		t.Fatal(err)
	}
	r, err := check.Run(spec, check.Options{StatesMax: 4 << 20})
	if err != nil || !strings.HasPrefix(r.Violation, overBound) {
		t.Errorf("%q, %v", r.Violation, err)
	}
}
