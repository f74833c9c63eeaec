// SPDX-License-Identifier: Apache-2.0

package aurigraph

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/bench/peer"
)

const benchReport = `{"committed_per_s":970000.5,"peak_per_s":1300000,"offered_per_s":1000000.25,"finality_ms":{"p50":12,"p99":40,"p999":60},
"cpu_us_per_transfer_per_node":0.25,"load_cpu_us_per_transfer":0.1,"refusals":{}}`

func TestParse(t *testing.T) {
	r, err := parse([]byte(benchReport))
	if err != nil {
		t.Fatal(err)
	}
	s := r.sample(4)
	if s.TransfersPerS != 970000.5 || s.P50Ms != 12 || s.P99Ms != 40 || s.CPUUsPerTransfer != 1 || s.LoadCPUUsPerTransfer != 0.1 {
		t.Errorf("got %+v", s)
	}
	for _, bad := range []string{"", "{}", `{"committed_per_s":0,"peak_per_s":1}`} {
		if _, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a report", bad)
		}
	}
}

// The peak is searched for once; both rows and all rounds offer a part of it.
func TestPartsOfOnePeak(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "aurigraph")
	text := "#!/bin/sh\necho \"$@\" >> " + dir + "/calls\ncat <<'E'\n" + benchReport + "\nE\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	n := New(script, 4, "raft")
	for _, o := range []Offered{{n, 1.5}, {n, 0.5}} {
		if _, _, err := o.Measure(t.Context(), dir, peer.Window{Measure: 5 * time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(calls)), "\n")
	if len(lines) != 3 || strings.Contains(lines[0], "--rate") || !strings.Contains(lines[1], "--duration 5s --rate 1950000") || !strings.Contains(lines[2], "--rate 650000") {
		t.Errorf("called\n%s", calls)
	}
}

func TestAFailedBenchSaysWhy(t *testing.T) {
	_, _, err := run(context.Background(), []string{"/bin/sh", "-c", "echo money was made >&2; exit 1"})
	if err == nil || !strings.Contains(err.Error(), "money was made") {
		t.Errorf("got %v", err)
	}
}

var _ peer.Contender = Offered{}
