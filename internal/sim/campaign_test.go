// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// worker counts the seeds that it was given; it dies of some, and fails some.
type worker struct {
	mu      sync.Mutex
	given   map[uint64]int // guarded by mu
	deadly  []uint64
	failing []uint64
	stopAt  uint64
	stop    context.CancelFunc
}

func (w *worker) work(ctx context.Context, first, seeds uint64) (*Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r := NewReport()
	for s := first; s < first+seeds; s++ {
		if w.stop != nil && s == w.stopAt {
			w.stop()
			return nil, ctx.Err()
		}
		if slices.Contains(w.deadly, s) {
			return nil, errors.New("signal: killed")
		}
	}
	for s := first; s < first+seeds; s++ {
		w.given[s]++
		r.Seeds++
		r.Blocks++
		if slices.Contains(w.failing, s) {
			r.Failed = append(r.Failed, s)
		}
	}
	return r, nil
}

func campaign(w *worker, resume string) *Campaign {
	return &Campaign{First: 100, Seeds: 237, Jobs: 3, Work: w.work, Progress: func(done, total uint64) {}, Resume: resume}
}

func TestCampaignRunsEachSeedOnce(t *testing.T) {
	w := &worker{given: map[uint64]int{}, deadly: []uint64{111, 336}, failing: []uint64{100, 250}}
	r, err := campaign(w, "").Run(t.Context())
	if err != nil || r.Seeds != 237 || !slices.Equal(r.Failed, []uint64{100, 111, 250, 336}) || r.Blocks != 235 {
		t.Errorf("%+v, %v", r, err)
	}
	for seed := uint64(100); seed < 337; seed++ {
		if n := w.given[seed]; n != 1 && !slices.Contains(w.deadly, seed) {
			t.Errorf("seed %d ran %d times", seed, n)
		}
	}
}

func TestCampaignGoesOnWhereItWasStopped(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sim.json")
	ctx, cancel := context.WithCancel(t.Context())
	w := &worker{given: map[uint64]int{}, failing: []uint64{105}, stopAt: 220, stop: cancel}
	if _, err := campaign(w, file).Run(ctx); err == nil {
		t.Fatal("it did not stop")
	}
	w.stop = nil
	r, err := campaign(w, file).Run(t.Context())
	if err != nil || r.Seeds != 237 || !slices.Equal(r.Failed, []uint64{105}) {
		t.Errorf("%+v, %v", r, err)
	}
	if w.given[105] != 1 || w.given[336] != 1 {
		t.Errorf("seed 105 ran %d times", w.given[105])
	}
	longer := campaign(w, file)
	longer.Seeds = 300
	if r, err = longer.Run(t.Context()); err != nil || r.Seeds != 300 || w.given[336] != 1 {
		t.Errorf("a longer campaign does not go on: %+v, %v", r, err)
	}
	other := campaign(w, file)
	other.First = 7
	if _, err := other.Run(t.Context()); !fault.Is(err, fault.Conflict) {
		t.Errorf("another campaign's file is taken: %v", err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := campaign(w, file).Run(t.Context()); !fault.Is(err, fault.Conflict) {
		t.Errorf("a broken file is taken: %v", err)
	}
	if _, err := campaign(w, filepath.Join(file, "below")).Run(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a file that cannot be is taken: %v", err)
	}
}

func TestReportCounts(t *testing.T) {
	a, b := NewReport(), NewReport()
	a.Add(&Result{Seed: 3, Blocks: 5, Faults: map[string]int{faultDrop: 2}, Seen: map[string]int{seenStale: 1}, HealMs: 40, Failure: &Failure{}})
	b.Add(&Result{Seed: 1, Blocks: 7, Faults: map[string]int{faultDrop: 1}, HealMs: 900, Misled: true, Failure: &Failure{}})
	b.Add(&Result{Seed: 2, HealMs: 30})
	a.Merge(b)
	if a.Seeds != 3 || a.Blocks != 12 || a.Faults[faultDrop] != 3 || a.Seen[seenStale] != 1 || a.HealMs != 40 || a.Misled != 1 || !slices.Equal(a.Failed, []uint64{1, 3}) {
		t.Errorf("%+v", a)
	}
	if a.Faults[lieFork] != 0 || len(a.Faults) != len(faultKinds)+len(lieKinds)+len(leadKinds) {
		t.Errorf("kinds that did not happen are not listed: %v", a.Faults)
	}
}
