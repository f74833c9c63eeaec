// SPDX-License-Identifier: Apache-2.0

// Package journaltest is the conformance suite of journal.Journal: each engine runs the same cases. Memory is an engine that keeps nothing, for
// tests of who drives a migration.
//
//	journaltest.Run(t, engines)
package journaltest

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// Engines opens journals. A place names one: a folder, or a database.
type Engines struct {
	// Place makes an empty place.
	Place func(t testing.TB) string
	// Open opens the journal of a place. Several may be open at once.
	Open func(ctx context.Context, place string) (journal.Journal, error)
	// Fill puts n windows of one second into an open journal's place, the first at FilledFromMs, in fewer steps than AddWindow would take.
	Fill func(t testing.TB, place string, n int)
	// Damage is what may happen to a place that has an entry, a snapshot and a window. Open or a reading call must find each of them.
	Damage map[string]func(t testing.TB, place string)
	// Writer is a process that calls Writes with the place and the name. Nil: the engine is not for several processes.
	Writer func(ctx context.Context, place, name string) *exec.Cmd
}

// FilledFromMs is the time of the first window that Fill adds.
const FilledFromMs = 1000

// long is a lease that does not run out in a test.
const long = journal.LeaseMax

// patience bounds a test's wait for what must come.
const patience = 20 * time.Second

// Run runs the suite.
func Run(t *testing.T, engines Engines) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(w *world)
	}{
		{"nothing is there", testEmpty},
		{"every field", testFields},
		{"order", testOrder},
		{"opened again", testReopened},
		{"writers at once", testWriters},
		{"bounds", testBounds},
		{"the end of patience", testCancelled},
		{"a lease", testLease},
		{"a lease runs out", testExpiry},
		{"controllers at once", testControllers},
		{"snapshots", testSnapshots},
		{"windows", testWindows},
		{"many windows", testThinned},
		{"damage", testDamage},
		{"killed", testKilled},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(&world{T: t, engines: engines, place: engines.Place(t)}) })
	}
}

// world is a place.
type world struct {
	*testing.T
	engines Engines
	place   string
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) open() journal.Journal {
	w.Helper()
	j, err := w.engines.Open(w.Context(), w.place)
	w.must(err)
	w.Cleanup(func() {
		if err := j.Close(); err != nil {
			w.Error(err)
		}
	})
	return j
}

// append makes an operator's entry, whose text is why.
func (w *world) append(j journal.Journal, seq uint64, why string) migration.Entry {
	w.Helper()
	e, err := j.Append(w.Context(), seq, journal.NoTerm, migration.Entry{By: "alice", Kind: migration.KindPause, Why: why})
	w.must(err)
	return e
}

func (w *world) lease(j journal.Journal, holder string, length time.Duration) uint64 {
	w.Helper()
	term, err := j.Lease(w.Context(), holder, length)
	w.must(err)
	return term
}

func (w *world) read(j journal.Journal, seq uint64) []migration.Entry {
	w.Helper()
	all, err := j.Read(w.Context(), seq)
	w.must(err)
	return all
}

// wantReason wants a Conflict with a reason.
func (w *world) wantReason(err error, reason, what string) {
	w.Helper()
	if !fault.Is(err, fault.Conflict) || fault.ReasonOf(err) != reason {
		w.Errorf("%s: %v, want a conflict with the reason %s", what, err, reason)
	}
}

func (w *world) wantKind(err error, k fault.Kind, what string) {
	w.Helper()
	if !fault.Is(err, k) {
		w.Errorf("%s: %v, want a %v", what, err, k)
	}
}

// eventually asks again and again, for a while.
func (w *world) eventually(what string, is func() bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			w.Fatalf("after %v there is not yet: %s", patience, what)
		case <-tick.C:
		}
	}
}
