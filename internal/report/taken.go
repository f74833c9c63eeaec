// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/router"
)

// seen sums windows up.
type seen struct {
	requests, errors [2]uint64
	p99Ms, slowestMs float64 // the worst of a window; below 0: there is none
}

// sum takes those that ended from one time until before another.
func sum(windows []journal.Window, fromMs, toMs uint64) seen {
	s := seen{p99Ms: -1, slowestMs: -1}
	first := sort.Search(len(windows), func(i int) bool { return windows[i].AtMs >= fromMs })
	for i := first; i < len(windows) && windows[i].AtMs < toMs; i++ {
		w := &windows[i]
		for side := range w.Requests {
			s.requests[side] += w.Requests[side]
			s.errors[side] += w.Errors[side]
		}
		s.p99Ms, s.slowestMs = worse(s.p99Ms, ofRequests(w.P99Ms, w)), worse(s.slowestMs, ofRequests(w.SlowestMs, w))
	}
	return s
}

// worse is the higher one; what is not finite says nothing.
func worse(a, b float64) float64 {
	if known(b) && b > a {
		return b
	}
	return a
}

func known(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) && v >= 0 }

// slow writes how slow requests were, if there were any.
func slow(ms float64) string {
	if !known(ms) {
		return "–"
	}
	return Length(ms)
}

// inOrder are windows by their time, copied if they were not.
func inOrder(windows []journal.Window) []journal.Window {
	byTime := func(a, b journal.Window) int { return int(min(max(int64(a.AtMs)-int64(b.AtMs), -1), 1)) }
	if slices.IsSortedFunc(windows, byTime) {
		return windows
	}
	windows = slices.Clone(windows)
	slices.SortStableFunc(windows, byTime)
	return windows
}

// stepsTaken tells what was seen in each step of the canary that was begun.
func (h *history) stepsTaken(in *Input) section {
	t := table{Columns: slices.Concat(words("Step"), numbers("V11's share", "Began", "Took", "V11's requests", "Errors", "Worst p99", "Slowest"), words("Ended by"))}
	for i := range h.entries {
		e := &h.entries[i]
		if e.Kind != migration.KindStep {
			continue
		}
		end := h.after(i, endsStep)
		toMs, took, by := uint64(math.MaxUint64), "under way", ""
		if end != nil {
			toMs, took, by = end.AtMs, between(e, end), endWords(end)
		}
		s := sum(in.Windows, e.AtMs, toMs)
		t.add(end != nil && isBad(end), fmt.Sprint(e.Step+1), percent(e.ToBP), h.since(e.AtMs), took,
			thousands(s.requests[router.V11]), thousands(s.errors[router.V11]), slow(s.p99Ms), slow(s.slowestMs), by)
	}
	return h.section("steps", "Steps", "What the windows of requests that are kept say. p99 is the worst of a window.", t)
}

func endsStep(e *migration.Entry) bool {
	switch e.Kind {
	case migration.KindStep, migration.KindSlice, migration.KindPhase, migration.KindReverse, migration.KindRollback, migration.KindFailback, migration.KindPlan:
		return true
	}
	return false
}

func endWords(e *migration.Entry) string {
	switch e.Kind {
	case migration.KindStep, migration.KindSlice, migration.KindPhase:
		return "the way forward"
	case migration.KindReverse:
		return "going back by itself"
	case migration.KindRollback:
		return "a rollback"
	case migration.KindFailback:
		return "a seal of V11"
	}
	return "another plan"
}

// FiguresOf are the figures that a journal has by itself. Invalid or Corrupt: it is none.
func FiguresOf(entries []migration.Entry, windows []journal.Window) ([]Figure, error) {
	h, err := historyOf(entries)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	s := &h.state
	all := sum(inOrder(windows), 0, math.MaxUint64)
	byPeople := 0
	for i := range entries {
		if e := &entries[i]; e.Kind == migration.KindRollback || e.Kind == migration.KindFailback && e.By != migration.Controller {
			byPeople++
		}
	}
	f := []Figure{
		{Name: "Phase", Value: string(h.phase())},
		{Name: "V11's share", Value: percent(s.ReachedBP)},
		{Name: "Since the start", Value: Length(float64(h.endMs() - min(h.beginMs, h.endMs())))},
		{Name: "Went back by itself", Value: fmt.Sprint(s.AutoRollbacks)},
		{Name: "Rolled back by people", Value: fmt.Sprint(byPeople)},
	}
	if s.Plan != nil {
		n, want := s.GoodDrills(), s.Plan.Drills.Count
		f = append(f, Figure{"Drills that count", fmt.Sprint(n), fmt.Sprintf("at least %d", want), n >= want})
	}
	if v := s.Verified; v != nil {
		f = append(f, Figure{"Differences, newest comparison", thousands(v.Differences), "0", v.Differences == 0 && v.OK})
	}
	if len(windows) > 0 {
		f = append(f, Figure{Name: "Requests seen by V10", Value: thousands(all.requests[router.V10])},
			Figure{Name: "Requests seen by V11", Value: thousands(all.requests[router.V11])},
			Figure{Name: "Errors seen", Value: thousands(all.errors[router.V10] + all.errors[router.V11])},
			Figure{Name: "Slowest request seen", Value: slow(all.slowestMs)})
	}
	return f, nil
}
