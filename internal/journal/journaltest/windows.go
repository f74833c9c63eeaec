// SPDX-License-Identifier: Apache-2.0

package journaltest

import (
	"reflect"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

func testWindows(w *world) {
	a, b := w.open(), w.open()
	full := journal.Window{
		AtMs: 3000, LengthMs: 1000, WeightBP: 500, Requests: [2]uint64{7, 8}, Errors: [2]uint64{1, 2}, SlowestMs: 12.5, P99Ms: 11.25, ToV11LagMs: -1, ToV10LagMs: 4,
	}
	for v, i := reflect.ValueOf(full), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			w.Fatalf("the suite's window has nothing in %s", v.Type().Field(i).Name)
		}
	}
	for _, at := range []uint64{3000, 1000, 2000, 1000} { // the last one replaces
		window := full
		window.AtMs = at
		w.must(a.AddWindow(w.Context(), window))
	}
	all, err := b.Windows(w.Context())
	w.must(err)
	if len(all) != 3 || all[0].AtMs != 1000 || all[1].AtMs != 2000 || !reflect.DeepEqual(all[2], full) {
		w.Errorf("windows %+v", all)
	}
}

// testThinned adds one to as many as there may be: every second of the older half goes, and nothing of the newer.
func testThinned(w *world) {
	j := w.open()
	w.engines.Fill(w, w.place, journal.WindowsMax-1)
	at := uint64(FilledFromMs + (journal.WindowsMax-1)*1000)
	w.must(j.AddWindow(w.Context(), journal.Window{AtMs: at, LengthMs: 1000}))
	all, err := j.Windows(w.Context())
	w.must(err)
	if len(all) != journal.WindowsMax {
		w.Fatalf("%d windows, of which none is too much", len(all))
	}
	w.must(j.AddWindow(w.Context(), journal.Window{AtMs: at + 1000, LengthMs: 1000}))
	all, err = j.Windows(w.Context())
	w.must(err)
	if want := journal.WindowsMax + 1 - journal.WindowsMax/4; len(all) != want {
		w.Errorf("%d windows, want %d", len(all), want)
	}
	middle := uint64(FilledFromMs + journal.WindowsMax/2*1000)
	for i := 1; i < len(all); i++ {
		step := all[i].AtMs - all[i-1].AtMs
		if older := all[i].AtMs < middle; older && step != 2000 || !older && all[i-1].AtMs >= middle && step != 1000 {
			w.Fatalf("behind the window at %d ms comes one at %d", all[i-1].AtMs, all[i].AtMs)
		}
	}
	if all[0].AtMs != FilledFromMs || all[len(all)-1].AtMs != at+1000 {
		w.Errorf("the windows go from %d to %d ms", all[0].AtMs, all[len(all)-1].AtMs)
	}
}

// testDamage wants what is damaged to be found, by who opens it or by who reads it.
func testDamage(w *world) {
	for name, damage := range w.engines.Damage {
		place := w.engines.Place(w)
		j, err := w.engines.Open(w.Context(), place)
		w.must(err)
		w.append(j, 0, "whole")
		w.append(j, 1, "whole")
		w.must(j.SaveSnapshot(w.Context(), journal.NoTerm, []byte("whole")))
		w.must(j.AddWindow(w.Context(), journal.Window{AtMs: 1}))
		w.must(j.Close())
		damage(w, place)
		if err := w.readAll(place); !fault.Is(err, fault.Corrupt) {
			w.Errorf("%s: %v, want it found", name, err)
		}
	}
}

func (w *world) readAll(place string) error {
	j, err := w.engines.Open(w.Context(), place)
	if err != nil {
		return err
	}
	defer j.Close()
	entries, err := j.Read(w.Context(), 0)
	if err == nil {
		_, err = migration.Fold(entries)
	}
	if err == nil {
		_, err = j.Snapshot(w.Context())
	}
	if err == nil {
		_, err = j.Windows(w.Context())
	}
	if err == nil {
		_, err = j.Lease(w.Context(), "a", long)
	}
	return err
}
