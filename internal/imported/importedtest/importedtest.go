// SPDX-License-Identifier: Apache-2.0

// Package importedtest is the conformance suite of imported.Writer and imported.Reader: each engine runs the same cases.
//
//	importedtest.Run(t, engines)
//
// The rows of a history follow from their numbers, so a case knows what must be there without keeping it.
package importedtest

import (
	"context"
	"os/exec"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
)

// Engines opens histories. A place names one: a folder, or a database.
type Engines struct {
	// Place makes an empty place.
	Place func(t testing.TB) string
	Open  func(ctx context.Context, place string, id imported.Identity) (imported.Writer, error)
	Read  func(ctx context.Context, place string, id imported.Identity) (imported.Reader, error)
	// Loader is a process that calls Loads with the place, and writes "failed" and why if that fails.
	Loader func(ctx context.Context, place string) *exec.Cmd
}

// identity is whose history the suite keeps.
var identity = imported.Identity{Chain: 77, Genesis: chain.Hash{7, 31: 7}, Sequence: 4711}

// Run runs the suite.
func Run(t *testing.T, engines Engines) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(t *testing.T, w *world)
	}{
		{"nothing is there", testEmpty},
		{"an empty history", testFinishedEmpty},
		{"every field", testFields},
		{"random chunks", testRandom},
		{"lists", testLists},
		{"one account has much", testCrowded},
		{"gaps and ends", testGaps},
		{"another network's", testForeign},
		{"the end of patience", testCancelled},
		{"bounds", testBounds},
		{"readers at once", testReaders},
		{"killed", testKilled},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, &world{T: t, engines: engines, place: engines.Place(t)})
		})
	}
}

// world is a place and what must be there.
type world struct {
	*testing.T
	engines Engines
	place   string
	rows    uint64
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) open() imported.Writer {
	w.Helper()
	e, err := w.engines.Open(w.Context(), w.place, identity)
	w.must(err)
	return e
}

// load adds rows up to a number as chunks of a size, and finishes.
func (w *world) load(rows uint64, size int) imported.Reader {
	w.Helper()
	e := w.open()
	for next := uint64(1); next <= rows; next += uint64(size) {
		w.must(e.Rows(w.Context(), rowsFrom(next, min(size, int(rows+1-next)))))
	}
	w.must(e.Rounds(w.Context(), roundsFrom(1, 20)))
	w.rows = rows
	w.must(e.Finish(w.Context()))
	w.must(e.Close())
	return w.read()
}

func (w *world) read() imported.Reader {
	w.Helper()
	r, err := w.engines.Read(w.Context(), w.place, identity)
	w.must(err)
	w.Cleanup(func() {
		if err := r.Close(); err != nil {
			w.Error(err)
		}
	})
	return r
}

func (w *world) wantNext(e imported.Writer, seq, round uint64) {
	w.Helper()
	haveSeq, haveRound, err := e.Next(w.Context())
	w.must(err)
	if haveSeq != seq || haveRound != round {
		w.Fatalf("the next row is %d and the next round %d, want %d and %d", haveSeq, haveRound, seq, round)
	}
}

func (w *world) wantKind(err error, k fault.Kind, what string) {
	w.Helper()
	if !fault.Is(err, k) {
		w.Errorf("%s: %v, want a %v", what, err, k)
	}
}
