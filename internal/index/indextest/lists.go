// SPDX-License-Identifier: Apache-2.0

package indextest

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// limitMax is a limit that every engine takes.
const limitMax = 1000

// walk reads a list to its end in pages.
func walk(t testing.TB, r index.Reader, account chain.AccountNo, asset chain.AssetNo, limit int) (at chain.Height, all []history.Transfer) {
	t.Helper()
	before := uint64(0)
	for range 100_000 {
		h, rows, next, err := r.Transfers(t.Context(), account, asset, before, limit)
		must(t, err)
		if len(rows) > limit {
			t.Fatalf("an answer has %d transfers, asked for %d", len(rows), limit)
		}
		if next != 0 && before != 0 && next >= before {
			t.Fatalf("the list does not go on: next is %d after %d", next, before)
		}
		at, all, before = h, append(all, rows...), next
		if next == 0 {
			return at, all
		}
	}
	t.Fatal("the list does not end")
	return 0, nil
}

// checkLists compares every list with the model.
func (w *world) checkLists(limits ...int) {
	w.t.Helper()
	for account := range chain.AccountNo(accountsMax + 2) {
		for asset := range chain.AssetNo(assetsMax + 2) {
			for _, limit := range limits {
				at, have := walk(w.t, w.engine, account, asset, limit)
				want := w.model.list(account, asset, at)
				if at != w.model.next.Complete() || !slices.Equal(have, want) {
					w.t.Fatalf("account %d, asset %d, limit %d: at %d (want %d), %d transfers, want %d:\n%+v\n%+v",
						account, asset, limit, at, w.model.next.Complete(), len(have), len(want), have, want)
				}
			}
		}
	}
	w.checkOrigins()
}

// checkOrigins looks every transfer that came from V10 up by its id there.
func (w *world) checkOrigins() {
	w.t.Helper()
	at := w.model.next.Complete()
	type key struct {
		round uint64
		place uint32
	}
	keys := map[key]bool{{1 << 40, 0}: true, {math.MaxUint64, math.MaxUint32}: true, {0, 0}: true}
	for i := range w.model.rows {
		o := w.model.rows[i].Origin
		keys[key{o.Round, o.Place}] = true
		keys[key{o.Round, o.Place + 1}] = true
	}
	for k := range keys {
		have, err := w.engine.ByOrigin(w.t.Context(), k.round, k.place)
		want := w.model.origin(k.round, k.place, at)
		switch {
		case k.round == 0 || want == nil:
			if !fault.Is(err, fault.NotFound) {
				w.t.Fatalf("round %d, place %d: %+v, %v, there is none", k.round, k.place, have, err)
			}
		case err != nil || have != *want:
			w.t.Fatalf("round %d, place %d: %+v, %v, want %+v", k.round, k.place, have, err, want)
		}
	}
}

func testPages(t *testing.T, w *world) {
	m := newMaker(3)
	for range 20 {
		w.apply(m.group(10))
	}
	w.checkLists(1, 2, 3, 7, limitMax)
	w.pageStays(m)
	w.otherWayIn()
}

// pageStays wants a page to be the same after more was written.
func (w *world) pageStays(m *maker) {
	w.t.Helper()
	_, _, place, err := w.engine.Transfers(w.t.Context(), 1, 0, 0, 3)
	must(w.t, err)
	_, before, _, err := w.engine.Transfers(w.t.Context(), 1, 0, place, 3)
	must(w.t, err)
	w.apply(m.group(20))
	_, after, _, err := w.engine.Transfers(w.t.Context(), 1, 0, place, 3)
	must(w.t, err)
	if len(before) != 3 || !slices.Equal(before, after) {
		w.t.Errorf("the second page was %+v, and is %+v after more was written", before, after)
	}
}

// otherWayIn asks from places at the ends of the index.
func (w *world) otherWayIn() {
	w.t.Helper()
	_, all := walk(w.t, w.engine, 0, 0, limitMax)
	for before, want := range map[uint64]int{1: 0, 2: 1, uint64(len(all)): len(all) - 1, 1 << 40: len(all), math.MaxInt64: len(all)} {
		_, rows, _, err := w.engine.Transfers(w.t.Context(), 0, 0, before, limitMax)
		must(w.t, err)
		if len(rows) != want && (before == 1 || before > uint64(len(all))) {
			w.t.Errorf("before %d: %d transfers, want %d", before, len(rows), want)
		}
	}
}

func testBounds(t *testing.T, w *world) {
	w.apply(w.model.blockOf(transferAt(1, 0, 0)))
	for _, limit := range []int{0, -1, math.MaxInt} {
		if _, _, _, err := w.engine.Transfers(t.Context(), 0, 0, 0, limit); !fault.Is(err, fault.Invalid) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	if _, _, _, err := w.engine.Transfers(t.Context(), 0, 0, math.MaxUint64, 1); !fault.Is(err, fault.Invalid) {
		t.Errorf("a place that no answer gave: %v", err)
	}
}

func testCancelled(t *testing.T, w *world) {
	m := newMaker(4)
	w.apply(m.group(50))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, _, err := w.engine.Transfers(ctx, 0, 0, 0, 10); !fault.Is(err, fault.Timeout) {
		t.Errorf("a cancelled list: %v", err)
	}
	if _, err := w.engine.ByOrigin(ctx, 1, 1); !fault.Is(err, fault.Timeout) {
		t.Errorf("a cancelled look by V10's id: %v", err)
	}
	w.checkLists(10)
}

// testReaders lists while groups are written: each answer is that of one moment.
func testReaders(t *testing.T, w *world) {
	const groups = 60
	m := newMaker(5)
	var whole model
	made := make([]*index.Group, groups)
	for i := range made {
		made[i] = m.group(5)
		whole.apply(made[i])
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for n := range 4 {
		readers.Go(func() {
			account := chain.AccountNo(n)
			for last := chain.Height(0); ; {
				at, rows, _, err := w.engine.Transfers(t.Context(), account, 0, 0, limitMax)
				if err != nil || at < last || !slices.Equal(rows, whole.list(account, 0, at)) {
					t.Errorf("account %d: at %d after %d, %d transfers, want %d, %v", account, at, last, len(rows), len(whole.list(account, 0, at)), err)
					return
				}
				last = at
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for _, g := range made {
		w.apply(g)
	}
	close(done)
	readers.Wait()
	w.checkLists(limitMax)
}
