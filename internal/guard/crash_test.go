// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// TestCrashInFence ends the guard after each of the things that a fence does, with a payment of its on the way to V10. Whatever was recorded
// stays closed, nothing is signed for what was not, and the next guard fences.
func TestCrashInFence(t *testing.T) {
	slots := []chain.SlotRange{slotRange(alice)}
	w := newWorld(t)
	w.hold = 1
	for after, done := 0, false; !done; after++ {
		g, err := New(w.config())
		must(t, err)
		must(t, g.start(t.Context()))
		version := g.core.record.Version
		late := g.current.Load().Generation
		q := &ask{fenceAsked{version, slots}, make(chan answer, 1)}
		actions := g.core.step(q.fenceAsked)
		var wrote bool
		for n := 0; n < after && len(actions) > 0; n++ {
			_, isRecord := actions[0].(record)
			event, err := g.act(t.Context(), actions[0], q)
			must(t, err)
			wrote = wrote || isRecord
			if actions = actions[1:]; event != nil {
				actions = g.core.step(event)
			}
		}
		done = len(actions) == 0
		if signed := len(q.answer) > 0; signed != done {
			t.Errorf("after %d: signed %v", after, signed)
		}
		must(t, g.Close())

		w.guard()
		if a := w.call("POST", "http://"+w.v10.Rest+"/api/v10/transactions", payment(alice, "shop"), v10.HeaderGeneration, numberText(late)); a.code != http.StatusConflict {
			t.Errorf("after %d: a payment of the guard before: %+v", after, a)
		}
		if closed := len(w.Status().Closed) == 1; closed != wrote {
			t.Errorf("after %d: closed %v, recorded %v", after, closed, wrote)
		}
		if a := w.pay(alice, "shop"); (a.code == 200) == wrote {
			t.Errorf("after %d: %+v", after, a)
		}
		w.fences(version, slots[0])
		must(t, w.end())
		opened := w.moves.make(Aborted, 3, slots[0])
		w.guard()
		w.until("open", func() bool { s := w.Status(); return s.HomeVersion == opened && len(s.Closed)+len(s.Coming) == 0 })
		must(t, w.end())
		if after > 20 {
			t.Fatal("a fence does not end")
		}
	}
}

// TestV10Away: a fence for which V10 cannot be reached leaves the slot closed, and is made when V10 is back.
func TestV10Away(t *testing.T) {
	w := newWorld(t)
	w.guard()
	at := w.v10
	w.stopV10()
	_, err := w.Fence(t.Context(), 1, []chain.SlotRange{slotRange(alice)})
	wants(t, err, fault.Unavailable, fault.Unavailable.String())
	if a := w.pay(bob, "shop"); a.code != http.StatusServiceUnavailable {
		t.Error(a)
	}
	w.startV10(at.Rest, at.Changes)
	if st := w.Status(); len(st.Closed) != 1 {
		t.Errorf("%+v", st)
	}
	w.fences(1, slotRange(alice))
	if a := w.pay(bob, "shop"); a.code != 200 {
		t.Error(a)
	}
}

// TestRecord: what was written is read again, and damage is seen.
func TestRecord(t *testing.T) {
	f, err := openFolder(t.TempDir())
	must(t, err)
	defer f.close()
	if r, err := f.read(); r != nil || err != nil {
		t.Error(r, err)
	}
	_, err = openFolder(f.dir)
	wants(t, err, fault.Conflict, "running")
	m := Move{Version: 3, Height: 9, Kind: ToV10, Slots: v10Slots()}
	want := Record{Incarnation: [16]byte{1, 2}, Version: 3, Last: &m, Owned: []Owned{{1, 2, 9}, {5, 5, 0}}, Closed: v10Slots()}
	must(t, f.write(&want))
	got, err := f.read()
	must(t, err)
	a, err := encodeRecord(&want)
	must(t, err)
	b, err := encodeRecord(got)
	must(t, err)
	if string(a) != string(b) {
		t.Errorf("%s, wrote %s", b, a)
	}
	path := filepath.Join(f.dir, recordFile)
	for i := range a {
		damaged := append([]byte(nil), a...)
		damaged[i] ^= 1
		must(t, os.WriteFile(path, damaged, 0o600))
		if r, err := f.read(); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("byte %d: %+v %v", i, r, err)
		}
	}
	for name, bad := range map[string]Record{
		"version":    {Owned: want.Owned},
		"other move": {Version: 4, Last: &m},
		"order":      {Version: 1, Owned: []Owned{{5, 5, 0}, {1, 2, 0}}},
		"closed":     {Version: 1, Closed: []chain.SlotRange{{From: 2, To: 1}}},
	} {
		must(t, f.write(&bad))
		if _, err := f.read(); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRecord: whatever the file holds is read or refused, and what is read is written the same.
func FuzzRecord(f *testing.F) {
	text, err := encodeRecord(first(v10Slots()))
	must(f, err)
	f.Add(text)
	f.Add([]byte(recordHead))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, err := encodeRecord(r)
		must(t, err)
		if _, err := decodeRecord(again); err != nil {
			t.Fatal(err)
		}
	})
}
