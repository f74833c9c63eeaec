// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/index/sqlite"
)

// TestRetentionOvertakes runs the writer of a node with little retention beside an index that is too slow for it: the real
// ledger, lane and segments. The index jumps over what was recycled, says so, catches up, and is the chain's as far as it
// goes, after a restart too.
func TestRetentionOvertakes(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var published atomic.Pointer[following] // nil: nobody listens
		var w *historytest.World
		w = historytest.Start(t, func(h chain.Height) {
			if f := published.Load(); f != nil {
				header, _, err := w.History.Header(h)
				must(t, err)
				f.Publish(header)
			}
		})
		pay := func() {
			w.Batch(slices.Repeat([]chain.Leg{historytest.Pay(historytest.House, historytest.Alice, historytest.Gold, 1)}, 2000)...)
		}
		pay()
		w.Settle()
		db, err := sqlite.Open(dir, historytest.Chain, codec.GenesisHash(w.Genesis))
		must(t, err)
		slow := &writer{Writer: db, takes: 10 * time.Second}
		f := newFollowing(t, &ledger{t: t, history: w.History}, slow, w.Loop.Height(), generousRate)
		published.Store(f)
		f.run()
		for range 40 {
			for range 4 {
				pay()
			}
			w.Recycle(2)
			time.Sleep(20 * time.Second)
		}
		if f.LagRows() == 0 {
			t.Error("the index keeps up: nothing is tested")
		}
		w.Settle()
		time.Sleep(time.Hour)
		f.wantLag(0, 0)
		f.stop()
		must(t, db.Close())
		if len(slow.gaps()) < 2 {
			t.Errorf("it was overtaken %d times", len(slow.gaps()))
		}

		db, err = sqlite.Open(dir, historytest.Chain, codec.GenesisHash(w.Genesis))
		must(t, err)
		f = newFollowing(t, &ledger{t: t, history: w.History}, db, w.Loop.Height(), generousRate)
		f.Decided(w.Loop.Height())
		published.Store(f)
		f.run()
		pay()
		w.Settle()
		f.wantLag(0, 0)
		wantRetained(t, w, db)
		f.stop()
		must(t, db.Close())
		wantTrue(t, w, dir)
	})
}

// wantRetained wants all transfers of the retained heights to be listed.
func wantRetained(t testing.TB, w *historytest.World, r index.Reader) {
	t.Helper()
	head := w.Loop.Height()
	from, err := w.History.Retained(1, head)
	must(t, err)
	var want []history.Transfer
	for h := from; h <= head; h++ {
		must(t, w.History.Transfers(h, func(t *history.Transfer) error { want = append(want, *t); return nil }))
	}
	at, have := listed(t, r)
	have = slices.DeleteFunc(have, func(r history.Transfer) bool { return r.Height < from })
	if at != head || from <= 1 || !slices.Equal(have, want) {
		t.Errorf("at %d of %d, retained from %d: %d transfers, want %d", at, head, from, len(have), len(want))
	}
}

// wantTrue compares the closed index with the chain.
func wantTrue(t testing.TB, w *historytest.World, dir string) {
	t.Helper()
	c, err := sqlite.ReadContents(t.Context(), dir, historytest.Chain, codec.GenesisHash(w.Genesis))
	must(t, err)
	report := func(d index.Difference) { t.Errorf("%s: %s", d.Where, d.What) }
	must(t, c.Check(t.Context(), report))
	must(t, index.Compare(t.Context(), c, w.History, w.Loop.Height(), report, func(chain.Height) {}))
	must(t, c.Close())
}
