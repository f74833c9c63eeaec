// SPDX-License-Identifier: Apache-2.0

package journaltest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// short is a lease that runs out while a test waits.
const short = 30 * time.Millisecond

func testLease(w *world) {
	a, b := w.open(), w.open()
	term := w.lease(a, "a", long)
	if term == journal.NoTerm {
		w.Fatal("a controller's term is that of operators")
	}
	w.wantDriver(b, "a")
	_, err := b.Lease(w.Context(), "b", long)
	w.wantReason(err, journal.ReasonLease, "another's lease")
	if err == nil || !strings.Contains(err.Error(), "a drives") {
		w.Errorf("nobody learns who has the lease: %v", err)
	}
	if again := w.lease(b, "a", long); again != term {
		w.Errorf("the holder's renewal is term %d, want %d", again, term)
	}
	w.wantWrites(a, term, true, "its holder")
	w.wantWrites(b, term+1, false, "a term that nobody has yet")
	w.append(b, 1, "operators need no lease")
	w.must(b.Release(w.Context(), term+1))
	w.wantWrites(a, term, true, "its holder after a release of another term")
	w.must(a.Release(w.Context(), term))
	w.wantWrites(a, term, false, "who gave it back")
	w.wantDriver(a, "")

	for _, length := range []time.Duration{0, journal.LeaseMax + 1} {
		if _, err := b.Lease(w.Context(), "b", length); !fault.Is(err, fault.Invalid) {
			w.Errorf("a lease of %s: %v", length, err)
		}
	}
	next := w.lease(b, "b", long)
	if next != term+1 {
		w.Errorf("behind term %d comes %d", term, next)
	}
	w.wantWrites(a, term, false, "who had the term before")
	w.must(a.Release(w.Context(), term))
	w.wantWrites(b, next, true, "its holder after a late release of the one before")
	w.wantWrites(a, journal.NoTerm, true, "an operator")
}

// wantDriver wants everybody to be told who has the lease; empty: nobody.
func (w *world) wantDriver(j journal.Journal, want string) {
	w.Helper()
	holder, left, err := j.Driver(w.Context())
	if err != nil || holder != want || left > long || (left > 0) != (want != "") {
		w.Errorf("%q drives for %s, %v, want %q", holder, left, err, want)
	}
}

// wantWrites wants a term to be able to append, or not.
func (w *world) wantWrites(j journal.Journal, term uint64, can bool, who string) {
	w.Helper()
	before := w.read(j, 0)
	_, err := j.Append(w.Context(), uint64(len(before)), term, migration.Entry{By: migration.Controller, Kind: migration.KindMoved})
	if can && err != nil {
		w.Errorf("%s cannot write: %v", who, err)
	}
	if can {
		return
	}
	w.wantReason(err, journal.ReasonLease, who)
	if after := w.read(j, 0); len(after) != len(before) {
		w.Errorf("%s has written %+v", who, after[len(before):])
	}
}

func testExpiry(w *world) {
	a, b := w.open(), w.open()
	first := w.lease(a, "a", short)
	var second uint64
	w.eventually("a lease behind one that ran out", func() bool {
		term, err := b.Lease(w.Context(), "b", long)
		if err != nil {
			w.wantReason(err, journal.ReasonLease, "a lease that another has")
		}
		second = term
		return err == nil
	})
	if second != first+1 {
		w.Errorf("behind term %d comes %d", first, second)
	}
	w.wantWrites(a, first, false, "who wakes up late")
	_, err := a.Lease(w.Context(), "a", long)
	w.wantReason(err, journal.ReasonLease, "a late renewal")
	w.wantWrites(b, second, true, "its holder")
	w.must(b.Release(w.Context(), second))

	third := w.lease(a, "a", short)
	w.eventually("the end of a lease", func() bool {
		_, err := a.Append(w.Context(), 0, third, migration.Entry{}) // behind, as long as the lease lasts
		return fault.ReasonOf(err) == journal.ReasonLease
	})
	if late := w.lease(a, "a", long); late != third+1 {
		w.Errorf("a renewal behind the end of term %d is %d: others may have driven between", third, late)
	}
	w.wantWrites(a, third, false, "a term that its own holder let run out")
}

// testControllers has several fight for the lease, release it early or late, and write under it: terms are one holder's, and what they write stands in their order.
func testControllers(w *world) {
	const handles, each, turns = 2, 2, 6
	var all sync.WaitGroup
	for h := range handles {
		j := w.open()
		for n := range each {
			all.Go(func() { w.takeTurns(j, fmt.Sprintf("c%d%d", h, n), turns) })
		}
	}
	all.Wait()
	holders, last := map[int]string{}, 0
	for _, e := range w.read(w.open(), 0) {
		term := e.Slots
		if term < last {
			w.Errorf("entry %d is of term %d, behind one of term %d", e.Seq, term, last)
		}
		if who, known := holders[term]; known && who != e.By {
			w.Errorf("term %d is of %s and %s", term, who, e.By)
		}
		holders[term], last = e.By, term
	}
	if len(holders) < turns {
		w.Errorf("%d terms have written, the test shows little", len(holders))
	}
}

// takeTurns drives under leases, some of which run out under its hands.
func (w *world) takeTurns(j journal.Journal, holder string, turns int) {
	deadline := w.deadline()
	for turn := 0; turn < turns; {
		if deadline.Err() != nil {
			w.Errorf("%s had %d turns only", holder, turn)
			return
		}
		length := long
		if turn%2 == 0 {
			length = 2 * time.Millisecond
		}
		term, err := j.Lease(w.Context(), holder, length)
		if err != nil {
			if fault.ReasonOf(err) != journal.ReasonLease && !fault.Is(err, fault.TryLater) {
				w.Error(err)
				return
			}
			continue
		}
		for seq := uint64(0); ; {
			newer, err := j.Read(w.Context(), seq)
			if err != nil {
				w.Error(err)
				return
			}
			seq += uint64(len(newer))
			_, err = j.Append(w.Context(), seq, term, migration.Entry{By: holder, Slots: int(term)})
			if err == nil || fault.ReasonOf(err) != journal.ReasonBehind {
				break
			}
		}
		if length == long {
			w.must(j.Release(w.Context(), term))
		}
		turn++
	}
}

func testSnapshots(w *world) {
	a, b := w.open(), w.open()
	term := w.lease(a, "a", long)
	for _, text := range []string{"one", "\x00\xff two", ""} {
		w.must(a.SaveSnapshot(w.Context(), term, []byte(text)))
		w.wantSnapshot(b, text)
	}
	w.must(a.SaveSnapshot(w.Context(), term, []byte("the last one")))
	w.must(a.Release(w.Context(), term))
	next := w.lease(b, "b", long)
	w.wantReason(a.SaveSnapshot(w.Context(), term, []byte("too late")), journal.ReasonLease, "a dead term's snapshot")
	w.wantSnapshot(b, "the last one")
	w.must(b.SaveSnapshot(w.Context(), next, []byte("b's")))
	w.wantSnapshot(a, "b's")
}

func (w *world) wantSnapshot(j journal.Journal, want string) {
	w.Helper()
	text, err := j.Snapshot(w.Context())
	if err != nil || string(text) != want {
		w.Errorf("snapshot %q, %v, want %q", text, err, want)
	}
}
