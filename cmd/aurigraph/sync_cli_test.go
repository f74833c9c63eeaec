// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/server/admin"
	"github.com/aurigraph/aurigraph/internal/sync/control"
)

// fakeHalf is a half of a sync that says what a test wants.
type fakeHalf struct {
	mu      sync.Mutex
	says    control.Half
	retries int
	knob    string
	value   uint64
}

func (h *fakeHalf) Status(context.Context) (*control.Half, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	said := h.says
	return &said, nil
}

func (h *fakeHalf) Retry(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.says.Apply.State != control.StateHeld {
		return control.NotHeld(h.says.Apply.Direction)
	}
	h.retries++
	return nil
}

func (h *fakeHalf) Set(_ context.Context, name string, value uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.knob, h.value = name, value
	return nil
}

// becomes gives both directions of a half a state.
func (h *fakeHalf) becomes(state string, held *control.Held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	apply := *h.says.Apply
	apply.State, apply.Held = state, held
	h.says.Apply = &apply
}

// newFakeHalf serves one beside a ledger, v10 or v11.
func newFakeHalf(t *testing.T, beside string) (*fakeHalf, string) {
	t.Helper()
	other := map[string]string{"v10": "v11", "v11": "v10"}[beside]
	h := &fakeHalf{says: control.Half{
		Ledger:  beside,
		Apply:   &control.Apply{Direction: other, State: control.StateApplying, Position: "7.0", Stated: "7.0", LagMs: 4, P50Ms: 3, P99Ms: 9, Samples: 100, Applied: 12},
		Capture: &control.Capture{Direction: beside, State: control.StateApplying, Position: 9, Head: 9},
	}}
	path := filepath.Join(t.TempDir(), beside+".sock")
	l, err := admin.ListenAt(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- admin.Serve(ctx, l, admin.Doors{Sync: h}, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return h, path
}

// TestSyncStatus: the worst of each direction is shown with the command that helps, and the exit code says whether somebody must look.
func TestSyncStatus(t *testing.T) {
	v11, at11 := newFakeHalf(t, "v11")
	second, at11b := newFakeHalf(t, "v11")
	v10, at10 := newFakeHalf(t, "v10")
	status := []string{"sync", "status", "--socket", at11, "--socket", at11b, "--socket", at10}
	p := answer(t, exitDone, status...)
	if d, _ := p["v10_to_v11"].(map[string]any); d["state"] != "applying" || d["p99_ms"] != 9.0 || d["position"] != "7.0" {
		t.Error(p)
	}
	if r := want(t, exitDone, status...); !strings.Contains(r.out, "v11 to v10") || strings.Contains(r.out, "HELP") {
		t.Error(r.out)
	}
	lag := answer(t, exitDone, "sync", "lag", "--socket", at11, "--socket", at10)
	if d, _ := lag["v11_to_v10"].(map[string]any); d["lag_ms"] != 4.0 || d["p50_ms"] != 3.0 || d["samples"] != 100.0 {
		t.Error(lag)
	}
	slot := uint16(77)
	second.becomes(control.StateHeld, &control.Held{Position: "8.1", Kind: "transfer", Reason: "insufficient_funds", Tries: 3, Slot: &slot})
	r := want(t, exitFailed, status...)
	for _, part := range []string{"HELD", "8.1", "insufficient_funds", "is not in v10.dlq yet", "sync retry v10", "sync dlq show v10 8.1"} {
		if !strings.Contains(r.out, part) {
			t.Errorf("%q is not in\n%s", part, r.out)
		}
	}
	second.becomes(control.StateApplying, nil)
	v10.becomes(control.StateCopying, nil)
	if r := want(t, exitDone, status...); !strings.Contains(r.out, "copy status") {
		t.Error(r.out)
	}
	v11.becomes(control.StateTrouble, nil)
	if r := want(t, exitDone, status...); strings.Contains(r.out, "trouble") { // the second one applies
		t.Error(r.out)
	}
	if r := want(t, exitFailed, "sync", "status", "--socket", at11, "--socket", at10); !strings.Contains(r.out, "trouble") || !strings.Contains(r.out, "HELP") {
		t.Error(r.out)
	}
	gone := filepath.Join(t.TempDir(), "gone.sock")
	if r := want(t, exitFailed, "sync", "status", "--socket", at10, "--socket", gone); !strings.Contains(r.out, "silent") || !strings.Contains(r.out, "gone.sock") {
		t.Error(r.out)
	}
	want(t, exitFailed, "sync", "lag", "--socket", at10)
}

// TestSyncActs: another try and the bounds reach the half that they are for, and no other.
func TestSyncActs(t *testing.T) {
	v11, at11 := newFakeHalf(t, "v11")
	v10, at10 := newFakeHalf(t, "v10")
	sockets := []string{"--socket", at11, "--socket", at10}
	with := func(words ...string) []string { return append(words, sockets...) }
	want(t, exitFailed, with("sync", "retry")...)
	want(t, exitFailed, with("sync", "skip", "v10", "--reason", "x")...)
	v10.becomes(control.StateHeld, &control.Held{Position: "8.1", Tag: chain.Hash{1}.String()})
	want(t, exitFailed, with("sync", "retry", "v10")...)
	if j := answer(t, exitDone, with("sync", "retry")...); len(j["retried"].([]any)) != 1 || v10.retries != 1 || v11.retries != 0 {
		t.Error(j, v10.retries, v11.retries)
	}
	answer(t, exitDone, with("sync", "retry", "v11")...)
	answer(t, exitDone, with("sync", "set", "apply.v10=250")...)
	if v11.knob != "apply.v10" || v11.value != 250 || v10.knob != "" {
		t.Errorf("%+v %+v", v11, v10)
	}
	answer(t, exitDone, with("sync", "set", "apply.v11=0")...)
	if v10.knob != "apply.v11" || v10.value != 0 {
		t.Errorf("%+v", v10)
	}
	want(t, exitFailed, "sync", "set", "apply.v11=5", "--socket", at11)
	for _, words := range [][]string{
		{"sync", "set", "apply.v12=5"}, {"sync", "set", "apply.v10"}, {"sync", "set", "apply.v10=-1"}, {"sync", "set"},
		{"sync", "retry", "v12"}, {"sync", "retry", "v10", "v11"}, {"sync", "skip", "v10"}, {"sync", "skip", "v12", "--reason", "x"},
		{"sync", "skip", "v11", "--reason", "x", "--keep-open-slot"}, {"sync", "skip", "v11", "--reason", strings.Repeat("x", 1025)},
		{"sync", "skip", "v11", "--reason", "x"}, // no --port
		{"sync", "dlq", "list"}, {"sync", "dlq", "show", "v10", "here"}, {"sync", "dlq", "show", "v12", "1.0"},
	} {
		want(t, exitRefused, append(words, sockets...)...)
	}
}

// TestConflicts: the last word on a change counts, what waits is listed too, and words that were not the signed ones are refused.
func TestConflicts(t *testing.T) {
	v11, at11 := newFakeHalf(t, "v11")
	path := filepath.Join(t.TempDir(), "resolutions.jsonl")
	list := func(code int) map[string]any {
		t.Helper()
		return answer(t, code, "sync", "conflicts", "--socket", at11, "--record", path)
	}
	if j := list(exitDone); len(j["conflicts"].([]any)) != 0 || j["v11_skipped"] != nil {
		t.Error(j)
	}
	r := &resolution{Side: "v11", Direction: "v10", Kind: kindSkip, State: stateAsked, Life: 1, Position: "8.1", Reason: "it was refunded", At: time.Now()}
	r.ReasonHash = codec.Sum([]byte(r.Reason)).String()
	for _, state := range []string{stateAsked, stateDone} {
		r.State = state
		if err := addResolution(path, r); err != nil {
			t.Fatal(err)
		}
	}
	v11.becomes(control.StateHeld, &control.Held{Position: "9.0", Kind: "issue", Reason: "unknown_asset"})
	j := list(exitDone)
	text, err := json.Marshal(j)
	all, _ := j["conflicts"].([]any)
	if err != nil || len(all) != 2 || !strings.Contains(string(text), `"state":"done"`) || !strings.Contains(string(text), `"kind":"held"`) || strings.Contains(string(text), `"asked"`) {
		t.Errorf("%s", text)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.ReplaceAll(string(whole), "refunded", "stolen"))
	want(t, exitFailed, "sync", "conflicts", "--socket", at11, "--record", path)
	write(t, path, string(whole)+"half a li") // of a crash
	if j := list(exitDone); len(j["conflicts"].([]any)) != 2 {
		t.Error(j)
	}
	r.Position = "9.0"
	if err := addResolution(path, r); err != nil {
		t.Fatal(err)
	}
	if all, err := readResolutions(path); err != nil || len(all) != 2 {
		t.Error(all, err)
	}
	write(t, path, "no JSON\n"+string(whole))
	want(t, exitFailed, "sync", "conflicts", "--socket", at11, "--record", path)
}

// TestNewestReport: of the comparisons the newest counts, and files that are none do not.
func TestNewestReport(t *testing.T) {
	dir := t.TempDir()
	if r := newestReport(dir); r != nil {
		t.Error(r)
	}
	for i, text := range []string{`{"equal":false,"rows_compared":5,"consistency":0.9}`, `{"equal":true,"rows_compared":7,"consistency":1}`, `{"other":1}`, `no JSON`} {
		path := write(t, filepath.Join(dir, string(rune('a'+i))+".json"), text)
		at := time.Now().Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if r := newestReport(dir); r == nil || !r.Equal || r.Rows != 7 || r.Consistency != 1 {
		t.Errorf("%+v", r)
	}
}
