// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func verify(t testing.TB, dir string) *Report {
	t.Helper()
	r, err := Run(t.Context(), dir, Options{})
	must(t, err)
	return r
}

func wantOK(t testing.TB, r *Report) {
	t.Helper()
	if !r.OK || len(r.Problems) > 0 {
		text, _ := json.MarshalIndent(r.Problems[:min(len(r.Problems), 10)], "", " ")
		t.Fatalf("a sound folder has %d problems: %s", len(r.Problems), text)
	}
}

func TestSoundFolder(t *testing.T) {
	n := newNetwork(t)
	r := n.run(small)
	n.life(r)
	legs := r.loop.LegsOK()
	dir := r.killed()
	r.close()
	report := verify(t, n.dir)
	wantOK(t, report)
	if report.Legs != legs || report.Height == 0 || report.FromHeight != 0 || len(report.Notes) > 0 {
		t.Errorf("%+v, the node counted %d legs", report, legs)
	}
	wantOK(t, verify(t, n.dir))
	killed := verify(t, dir)
	wantOK(t, killed)
	if killed.Legs != legs || len(killed.Notes) == 0 {
		t.Errorf("killed: %+v", killed)
	}
}

func TestRefusals(t *testing.T) {
	if _, err := Run(context.Background(), t.TempDir(), Options{}); !fault.Is(err, fault.NotFound) {
		t.Error("no settings:", err)
	}
}
