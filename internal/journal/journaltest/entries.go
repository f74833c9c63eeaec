// SPDX-License-Identifier: Apache-2.0

package journaltest

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

func testEmpty(w *world) {
	j := w.open()
	if all := w.read(j, 0); len(all) != 0 {
		w.Errorf("entries %+v", all)
	}
	text, err := j.Snapshot(w.Context())
	if err != nil || text != nil {
		w.Errorf("snapshot %q, %v", text, err)
	}
	windows, err := j.Windows(w.Context())
	if err != nil || len(windows) != 0 {
		w.Errorf("windows %+v, %v", windows, err)
	}
	w.must(j.Release(w.Context(), 7))
}

// fullEntry has a value in each of its members.
func fullEntry() migration.Entry {
	e := migration.Entry{
		Seq: 1, AtMs: 1_790_000_000_123, By: "alice", Kind: migration.KindReverse, Why: "errors: \x00 \u2028 <&> 'a' \\ é", Text: "a\nb", Phase: migration.Canary,
		For: migration.ForStep, Action: migration.Weigh, Step: 3, FromBP: 2500, ToBP: 100, OK: true, Ms: 1.5, ReverseMs: 2.25, ForwardMs: 3.125, Slots: 100,
		Checks: []migration.Gate{{Name: "memory", OK: true, Why: "node0 needs 90 MiB, of 256"}},
		Rows:   math.MaxUint64, Bytes: 1 << 50, Differences: 7, Report: "r-1", Alarm: true, Without: []string{"node3"}, Known: map[string]uint64{"evidence at node0": math.MaxUint64}, Before: &canary.Reference{Requests: 5, Slow: 4},
		Verdict: &canary.Verdict{
			Decision: canary.Reverse, Rule: canary.RuleErrors, Why: "so many", ToBP: 100, AtMs: 17, Numbers: []canary.Number{{Name: "errors_bp", Value: 1e15, Limit: 0.1}},
			Gates: []canary.Gate{{Name: "g", OK: true, Why: "w"}}, Samples: []canary.Sample{{Class: canary.ClassError, ID: "i", Method: "POST", Path: "/p", Status: 503, Ms: 9}},
		},
	}
	return e
}

func testFields(w *world) {
	j := w.open()
	e := fullEntry()
	for v, i := reflect.ValueOf(e), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			w.Fatalf("the suite's entry has nothing in %s", v.Type().Field(i).Name)
		}
	}
	sent := e
	sent.Seq = 99 // whatever stands there
	made, err := j.Append(w.Context(), 0, journal.NoTerm, sent)
	if err != nil || !reflect.DeepEqual(made, e) {
		w.Errorf("made %+v, %v", made, err)
	}
	if all := w.read(j, 0); !reflect.DeepEqual(all, []migration.Entry{e}) {
		w.Errorf("read %+v, want %+v", all, e)
	}
}

func testOrder(w *world) {
	j, other := w.open(), w.open()
	for seq := range uint64(5) {
		if e := w.append(j, seq, fmt.Sprint("entry ", seq+1)); e.Seq != seq+1 {
			w.Fatalf("behind %d comes %d", seq, e.Seq)
		}
	}
	for _, seq := range []uint64{0, 4, 6, math.MaxInt64, math.MaxUint64} {
		_, err := other.Append(w.Context(), seq, journal.NoTerm, migration.Entry{By: "bob", Kind: migration.KindResume})
		w.wantReason(err, journal.ReasonBehind, fmt.Sprintf("behind %d of 5", seq))
	}
	for _, c := range []struct{ behind, want uint64 }{{0, 5}, {3, 2}, {5, 0}, {6, 0}, {math.MaxInt64, 0}, {math.MaxInt64 + 1, 0}, {math.MaxUint64, 0}} {
		all := w.read(other, c.behind)
		if uint64(len(all)) != c.want {
			w.Fatalf("behind %d: %d entries, want %d", c.behind, len(all), c.want)
		}
		for i, e := range all {
			if want := c.behind + uint64(i) + 1; e.Seq != want || e.Why != fmt.Sprint("entry ", want) || e.By != "alice" {
				w.Errorf("entry %d is %+v", want, e)
			}
		}
	}
}

func testReopened(w *world) {
	if w.engines.Writer == nil {
		w.Skip("this engine keeps nothing")
	}
	j, err := w.engines.Open(w.Context(), w.place)
	w.must(err)
	w.append(j, 0, "kept")
	term := w.lease(j, "a", long)
	w.must(j.SaveSnapshot(w.Context(), term, []byte("kept")))
	w.must(j.AddWindow(w.Context(), journal.Window{AtMs: 1, LengthMs: 1}))
	w.must(j.Close())
	j = w.open()
	if all := w.read(j, 0); len(all) != 1 || all[0].Why != "kept" {
		w.Errorf("entries %+v", all)
	}
	text, err := j.Snapshot(w.Context())
	if err != nil || string(text) != "kept" {
		w.Errorf("snapshot %q, %v", text, err)
	}
	windows, err := j.Windows(w.Context())
	if err != nil || len(windows) != 1 {
		w.Errorf("windows %+v, %v", windows, err)
	}
	if again := w.lease(j, "a", long); again != term {
		w.Errorf("the term %d is %d now", term, again)
	}
	w.append(j, 1, "goes on")
}

// testWriters has several append at once, each behind what it has read: all come to be there, once.
func testWriters(w *world) {
	const handles, each, entries = 2, 3, 12
	var all sync.WaitGroup
	for h := range handles {
		j := w.open()
		for n := range each {
			all.Go(func() {
				for i := range entries {
					w.appendBehind(j, fmt.Sprintf("%d-%d-%d", h, n, i))
				}
			})
		}
	}
	all.Wait()
	seen := map[string]int{}
	have := w.read(w.open(), 0)
	for i, e := range have {
		if e.Seq != uint64(i)+1 {
			w.Fatalf("entry %d has the number %d", i+1, e.Seq)
		}
		seen[e.Why]++
	}
	if len(have) != handles*each*entries || len(seen) != len(have) {
		w.Errorf("%d entries, %d different, want %d", len(have), len(seen), handles*each*entries)
	}
}

// appendBehind appends behind whatever is there.
func (w *world) appendBehind(j journal.Journal, why string) {
	for seq, deadline := uint64(0), w.deadline(); ; {
		_, err := j.Append(w.Context(), seq, journal.NoTerm, migration.Entry{By: "alice", Kind: migration.KindPause, Why: why})
		switch {
		case err == nil:
			return
		case deadline.Err() != nil:
			w.Errorf("%s is not written: %v", why, err)
			return
		case fault.ReasonOf(err) != journal.ReasonBehind && !fault.Is(err, fault.TryLater):
			w.Error(err)
			return
		}
		newer, err := j.Read(w.Context(), seq)
		if err != nil {
			w.Error(err)
			return
		}
		seq += uint64(len(newer))
	}
}

// deadline ends when the test's patience does.
func (w *world) deadline() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	w.Cleanup(cancel)
	return ctx
}

func testBounds(w *world) {
	j := w.open()
	term := w.lease(j, "a", long)
	put := func(size int) error {
		_, err := j.Append(w.Context(), uint64(len(w.read(j, 0))), term, migration.Entry{By: "alice", Kind: migration.KindPlan, Text: strings.Repeat("x", size)})
		return err
	}
	w.must(put(journal.EntryBytesMax - 200))
	w.wantKind(put(journal.EntryBytesMax), fault.Invalid, "an entry above the bound")
	_, err := j.Append(w.Context(), 1, term, migration.Entry{Ms: math.NaN()})
	w.wantKind(err, fault.Invalid, "an entry that is no JSON")
	w.must(j.SaveSnapshot(w.Context(), term, make([]byte, journal.SnapshotBytesMax)))
	w.wantKind(j.SaveSnapshot(w.Context(), term, make([]byte, journal.SnapshotBytesMax+1)), fault.Invalid, "a snapshot above the bound")
	w.wantKind(j.AddWindow(w.Context(), journal.Window{AtMs: 1, P99Ms: math.Inf(1)}), fault.Invalid, "a window that is no JSON")
	if all := w.read(j, 0); len(all) != 1 {
		w.Errorf("%d entries, want the one within the bound", len(all))
	}
}

func testCancelled(w *world) {
	j := w.open()
	w.append(j, 0, "before")
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	for what, call := range map[string]func() error{
		"read":     func() error { _, err := j.Read(ctx, 0); return err },
		"append":   func() error { _, err := j.Append(ctx, 1, journal.NoTerm, migration.Entry{}); return err },
		"lease":    func() error { _, err := j.Lease(ctx, "a", long); return err },
		"release":  func() error { return j.Release(ctx, 1) },
		"save":     func() error { return j.SaveSnapshot(ctx, journal.NoTerm, []byte("x")) },
		"snapshot": func() error { _, err := j.Snapshot(ctx); return err },
		"window":   func() error { return j.AddWindow(ctx, journal.Window{AtMs: 1}) },
		"windows":  func() error { _, err := j.Windows(ctx); return err },
	} {
		w.wantKind(call(), fault.Timeout, what)
	}
	if all := w.read(j, 0); len(all) != 1 {
		w.Errorf("%d entries, want 1", len(all))
	}
	if term := w.lease(j, "b", long); term != 1 {
		w.Errorf("the first term is %d", term)
	}
}
