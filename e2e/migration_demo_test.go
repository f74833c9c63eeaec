// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// demoMax is longer than the quick demo takes on a busy machine.
const demoMax = 6 * time.Minute

// TestDemo has the program tell its story, and wants its verdict, the numbers behind it, and a report that a browser shows.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10 for a minute")
	}
	path := filepath.Join(t.TempDir(), "report.html")
	out, code := runFor(t, demoMax, "demo", "migration", "--quick", "--json", "--report", path)
	var r struct {
		Verdict       string
		Sent          int
		Acknowledged  int
		Found         int
		DoubleDebits  *int     `json:"double_debits"`
		Differences   *int     `json:"differences"`
		LongestMs     *float64 `json:"longest_interruption_ms"`
		AutoRollbacks int      `json:"auto_rollbacks"`
		Drills        int
		WeightBP      int            `json:"weight_bp"`
		ServedBy      map[string]int `json:"served_by"`
		Report        string
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || r.Verdict != "PASS" {
		t.Fatalf("exit %d: %v: %s", code, err, out)
	}
	if r.DoubleDebits == nil || r.Differences == nil || r.LongestMs == nil {
		t.Fatalf("a number is missing: %s", out)
	}
	if r.Acknowledged <= 1000 || r.Found != r.Acknowledged || r.Sent < r.Acknowledged || *r.DoubleDebits+*r.Differences != 0 || *r.LongestMs >= 30_000 {
		t.Errorf("what clients were told does not hold: %s", out)
	}
	if r.AutoRollbacks < 1 || r.Drills < 3 || r.WeightBP != 10_000 || r.ServedBy["v10"] == 0 || r.ServedBy["v11"] == 0 {
		t.Errorf("it is not the whole story: %s", out)
	}
	page, err := os.ReadFile(path)
	if err != nil || r.Report != path || !bytes.HasPrefix(bytes.ToLower(page), []byte("<!doctype html>")) || !bytes.Contains(page, []byte("<svg")) || !bytes.HasSuffix(bytes.TrimSpace(page), []byte("</html>")) {
		t.Errorf("the report %s is no page: %v %.200s", r.Report, err, page)
	}
}
