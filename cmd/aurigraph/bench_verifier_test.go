// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/verifier/damage"
)

// TestBenchVerifier plants three kinds of damage in a pair of real processes: each is named, and nothing else is.
func TestBenchVerifier(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a pair for a minute")
	}
	only := []string{"v10-balance-sum", "index-amount-v11", "copied-swapped"}
	a := answer(t, exitFailed, "bench", "verifier", "--nodes", "1", "--small", "2000", "--large", "0", "--only", strings.Join(only, ","))
	if figure(t, a, "kinds") != float64(len(only)) || figure(t, a, "named") != float64(len(only)) || figure(t, a, "false_confirmed") != 0 {
		t.Errorf("%v", a)
	}
	for _, name := range []string{"load.v10", "load.v11", "rss_mb_max", "write_during_scan.damages"} {
		if figure(t, a, name) <= 0 {
			t.Errorf("%s: %v", name, a)
		}
	}
	if figure(t, a, "rows_per_s") != 0 { // nothing was measured, so it cannot pass
		t.Errorf("%v", a)
	}
}

func TestBenchVerifierUsage(t *testing.T) {
	for line, text := range map[string]string{
		"bench verifier --nodes 0":                  "--nodes is 1 to",
		"bench verifier --small 10":                 "--small at least 1000",
		"bench verifier --small 5000 --large 4000":  "--large none or at least",
		"bench verifier --only v10-dropped,nothing": `--only "nothing"`,
		"bench verifier x":                          `"x" is one`,
	} {
		if r := want(t, exitRefused, strings.Fields(line)...); !strings.Contains(r.err, text) {
			t.Errorf("%s: %s", line, r.err)
		}
	}
}

// TestVerifierReport: a bench passes only if all of it does.
func TestVerifierReport(t *testing.T) {
	good := verifierReport{Kinds: kindsMin, Named: kindsMin, RSSMBMax: verifierMB, RowsPerS: rowsPerSMin}
	if why := good.failed(); why != "" {
		t.Error(why)
	}
	for what, spoil := range map[string]func(*verifierReport){
		"asked for":    func(r *verifierReport) { r.Kinds, r.Named = kindsMin-1, kindsMin-1 },
		"are named":    func(r *verifierReport) { r.Named-- },
		"from nothing": func(r *verifierReport) { r.FalseConfirmed = 1 },
		"MiB":          func(r *verifierReport) { r.RSSMBMax += 0.1 },
		"rows/s":       func(r *verifierReport) { r.RowsPerS-- },
	} {
		r := good
		if spoil(&r); !strings.Contains(r.failed(), what) {
			t.Errorf("%s: %q", what, r.failed())
		}
	}
	if all := (&verifierBenchConfig{}).kinds(); len(all) != len(damage.Kinds()) {
		t.Errorf("%d kinds are planted", len(all))
	}
}
