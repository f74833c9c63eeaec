// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"flag"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// switchCycles is how often slots go to V11 and back.
var switchCycles = flag.Int("switch.cycles", 50, "move slots to V11 and back so many times, with kills")

// cycleMax is what a cycle takes at most on average, with what is killed in it and started again.
const cycleMax = 20 * time.Second

// TestSwitch moves slots of real processes there and back while clients pay, kills each of the roles in turn, and finds every payment once
// on both ledgers.
func TestSwitch(t *testing.T) {
	most := time.Minute + time.Duration(*switchCycles)*cycleMax
	out, code := runFor(t, most, "bench", "switch", "--json", "--cycles", strconv.Itoa(*switchCycles), "--network", filepath.Join(t.TempDir(), "pair"))
	var r struct {
		Cycles       int                `json:"cycles"`
		HoldMs       map[string]float64 `json:"hold_ms"`
		DoubleDebits int                `json:"double_debits"`
		Missing      int                `json:"missing"`
		Lost         int                `json:"lost"`
		Differences  int                `json:"differences"`
		Acknowledged int                `json:"acknowledged"`
		KillsBy      map[string]int     `json:"kills_by"`
		ServedBy     map[string]int     `json:"served_by"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("exit %d: %v: %s", code, err, out)
	}
	t.Logf("%d cycles, %d payments, a client waited %v, killed %v", r.Cycles, r.Acknowledged, r.HoldMs, r.KillsBy)
	if code != 0 || r.Cycles != *switchCycles || r.DoubleDebits+r.Missing+r.Lost+r.Differences != 0 {
		t.Errorf("exit %d: %s", code, out)
	}
	if r.ServedBy["v10"] == 0 || r.ServedBy["v11"] == 0 {
		t.Errorf("served by %v: the slots did not move", r.ServedBy)
	}
	for _, role := range []string{"controller", "v10-guard", "v10", "v10-sync", "gateway", "node0"} {
		if r.KillsBy[role] == 0 && *switchCycles >= 20 {
			t.Errorf("%s was never killed", role)
		}
	}
}
