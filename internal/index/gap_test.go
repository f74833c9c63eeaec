// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

func (w *writer) gaps() (all []index.Gap) {
	for _, g := range w.groups {
		all = append(all, g.Gaps...)
	}
	return all
}

func gap(h chain.Height, batch uint32, to chain.Height) index.Gap {
	return index.Gap{From: index.Position{Height: h, Batch: batch}, To: to}
}

// TestRecycled follows a chain whose payloads went before or while they were read.
func TestRecycled(t *testing.T) {
	const head = 20
	for _, c := range []struct {
		name    string
		first   int // legs of the first batch of each block
		after   int // reads of payloads after which retention recycles; 0: before the start
		below   chain.Height
		gaps    []index.Gap
		missing func(*history.Transfer) bool
	}{
		{"nothing", 3, 0, 1, nil, func(*history.Transfer) bool { return false }},
		{"before the start", 3, 0, 9, []index.Gap{gap(1, 0, 9)}, func(r *history.Transfer) bool { return r.Height < 9 }},
		{"all", 3, 0, head + 1, []index.Gap{gap(1, 0, head+1)}, func(*history.Transfer) bool { return true }},
		{"between blocks of a group", 3, 4, 5, []index.Gap{gap(3, 0, 5)}, func(r *history.Transfer) bool { return r.Height == 3 || r.Height == 4 }},
		{"in a block of a group", 3, 5, 9, []index.Gap{gap(3, 1, 9)}, func(r *history.Transfer) bool {
			return r.Height == 3 && r.Index == 1 || r.Height > 3 && r.Height < 9
		}},
		{"between groups", index.GroupItemsMax, 1, 13, []index.Gap{gap(1, 1, 13)}, func(r *history.Transfer) bool {
			return r.Height == 1 && r.Index == 1 || r.Height > 1 && r.Height < 13
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(t)
				for range head {
					l.block(legs(c.first), legs(2))
				}
				all := l.transfers(1, head)
				l.reads = 0
				if c.after == 0 {
					l.recycle(c.below)
				}
				l.onRead = func(reads int) {
					if reads == c.after+1 {
						l.recycle(c.below)
					}
				}
				w := &writer{Writer: openIndex(t, t.TempDir())}
				f := follow(t, l, w, head, generousRate)
				time.Sleep(time.Hour)
				f.wantLag(0, 0)
				if !slices.Equal(w.gaps(), c.gaps) {
					t.Errorf("the gaps are %v, want %v", w.gaps(), c.gaps)
				}
				want := slices.DeleteFunc(all, func(r history.Transfer) bool { return c.missing(&r) })
				f.Publish(l.block(legs(2)))
				time.Sleep(time.Hour)
				f.stop()
				if at, have := listed(t, w.Writer.(index.Reader)); at != head+1 || !slices.Equal(have, append(want, l.transfers(head+1, head+1)...)) {
					t.Errorf("at %d: %d transfers, want %d and 2", at, len(have), len(want))
				}
			})
		})
	}
}

// TestOvertakenAgainAndAgain lets retention be faster than the index: it jumps, never repeats and never counts twice.
func TestOvertakenAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		for range 4 {
			l.block(legs(index.GroupItemsMax))
		}
		w := &writer{Writer: openIndex(t, t.TempDir()), takes: time.Second}
		f := follow(t, l, w, 4, generousRate)
		for range 16 {
			time.Sleep(2 * time.Second)
			f.Publish(l.block(legs(index.GroupItemsMax)))
			l.recycle(l.head() - 3)
		}
		time.Sleep(time.Hour)
		f.wantLag(0, 0)
		f.stop()
		if len(w.gaps()) < 2 {
			t.Errorf("it was overtaken %d times only", len(w.gaps()))
		}
		rows, gone := 0, 0
		for _, n := range w.rows {
			rows += n
		}
		for _, g := range w.gaps() {
			gone += int(g.To - g.From.Height)
		}
		if rows != (20-gone)*index.GroupItemsMax {
			t.Errorf("%d rows, and gaps of %d of 20 blocks", rows, gone)
		}
	})
}
