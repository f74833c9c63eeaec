// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/sim"
)

// simReport runs the command, whose answer is one line.
func simReport(t *testing.T, want int, args ...string) (*sim.Report, result) {
	t.Helper()
	r := cli(t, append([]string{"sim", "--json"}, args...)...)
	if r.code != want {
		t.Fatalf("%v: exit %d: %s%s", args, r.code, r.out, r.err)
	}
	report := sim.NewReport()
	if err := json.Unmarshal([]byte(r.out), report); err != nil {
		t.Fatalf("%s: %v", r.out, err)
	}
	return report, r
}

// TestSimSharesSeeds runs seeds in several processes, in one, and in two goes: it comes to the same.
func TestSimSharesSeeds(t *testing.T) {
	alone, _ := simReport(t, exitDone, "--seeds", "7", "--jobs", "1")
	shared, _ := simReport(t, exitDone, "--seeds", "7", "--jobs", "2")
	file := filepath.Join(t.TempDir(), "sim.json")
	simReport(t, exitDone, "--seeds", "3", "--resume", file)
	resumed, _ := simReport(t, exitDone, "--seeds", "7", "--resume", file)
	for _, r := range []*sim.Report{shared, resumed} {
		if r.Seeds != 7 || r.Blocks != alone.Blocks || r.Faults["drop"] != alone.Faults["drop"] || len(r.Failed) != 0 {
			t.Errorf("%+v, alone %+v", r, alone)
		}
	}
	if alone.Blocks < 7*20 || len(alone.Faults) < 20 {
		t.Errorf("%+v", alone)
	}
}

// TestSimTellsHowToRepeat breaks a promise on purpose.
func TestSimTellsHowToRepeat(t *testing.T) {
	report, r := simReport(t, exitFailed, "--seed", "1", "--seeds", "1", "--bug", "vote_before_persist")
	if len(report.Failed) != 1 || len(report.Repeat) != 1 || !strings.Contains(r.err, "to repeat it: "+report.Repeat[0]) {
		t.Fatalf("%+v: %s", report, r.err)
	}
	words := strings.Fields(report.Repeat[0])[1:]
	again, _ := simReport(t, exitFailed, words[1:]...)
	if again.Failed[0] != 1 {
		t.Errorf("%v fails %v", words, again.Failed)
	}
	if r := cli(t, "sim", "--seeds", "1", "--seed", "1"); r.code != exitDone || !strings.Contains(r.out, "OK: 1 seeds") {
		t.Errorf("exit %d: %s", r.code, r.out)
	}
}

func TestSimRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"--seeds", "0"}, {"--jobs", "0"}, {"--bug", "none such", "--seeds", "1"}, {"--bug", "dedup_lost"}, {"--without", "1"},
		{"--storm-ms", "-1", "--seeds", "1"}, {"--seed", "x"}, {"more"},
	} {
		if r := cli(t, append([]string{"sim"}, args...)...); r.code != exitRefused {
			t.Errorf("%v: exit %d", args, r.code)
		}
	}
}
