// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"
)

// The bench starts this program again for each node, prints one line, and leaves nothing behind.
func TestBenchOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes for seconds")
	}
	dir := t.TempDir()
	a := answer(t, exitDone, "bench", "order", "--nodes", "4", "--window", "8", "--fsync=false", "--duration", "1s", "--dir", dir)
	if a["agreed"] != true || a["nodes"] != 4.0 || a["window"] != 8.0 || a["fsync"] != false || a["engine"] != "raft" {
		t.Errorf("%v", a)
	}
	decided, ok := a["decided_ms"].(map[string]any)
	for _, name := range []string{"p50", "p99", "p999"} {
		if v, _ := decided[name].(float64); !ok || v <= 0 {
			t.Errorf("decided_ms.%s: %v", name, decided[name])
		}
	}
	for _, name := range []string{"rounds_per_s", "cpu_us_per_round_per_node", "rounds", "duration_s"} {
		if v, _ := a[name].(float64); v <= 0 {
			t.Errorf("%s: %v", name, a[name])
		}
	}
	if a["syncs_per_round"] != 0.0 {
		t.Errorf("%v syncs a round without any", a["syncs_per_round"])
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBenchOrderSaysWhatItShows(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for seconds")
	}
	r := want(t, exitDone, "bench", "order", "--engine", "solo", "--nodes", "1", "--window", "1", "--duration", "1s", "--dir", t.TempDir())
	for _, word := range []string{"rounds", "/s", "p99", "us a round in each node", "syncs", "agreed", "yes"} {
		if !strings.Contains(r.out, word) {
			t.Errorf("%q is not in\n%s", word, r.out)
		}
	}
}

func TestBenchOrderUsage(t *testing.T) {
	for line, text := range map[string]string{
		"bench order --engine solo --nodes 4": "solo decides alone",
		"bench order --engine paxos":          "must be raft or solo",
		"bench order --window 0":              "--window 0, must be 1 to",
		"bench order --duration 1ms":          "--duration 1ms",
		"bench order x":                       `"x" is one`,
	} {
		if r := want(t, exitRefused, strings.Fields(line)...); !strings.Contains(r.err, text) {
			t.Errorf("%s: %s", line, r.err)
		}
	}
	if r := want(t, exitFailed, "bench", "order", "--dir", "/none"); !strings.Contains(r.err, "make a folder for the bench") {
		t.Errorf("in no folder: %s", r.err)
	}
}
