// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/index"
)

// wantAll wants the index to list exactly the transfers of all heights up to one.
func wantAll(t testing.TB, r index.Reader, l *ledger, to chain.Height) {
	t.Helper()
	at, have := listed(t, r)
	if want := l.transfers(1, to); at != to || !slices.Equal(have, want) {
		t.Errorf("the index has %d transfers at height %d, the chain %d at %d", len(have), at, len(want), to)
	}
}

// TestFollow follows from an empty chain through old blocks to new ones.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		for range 5 {
			l.block()
			l.block(legs(3), content{txs: []chain.Body{
				&chain.Transfer{To: 4, Asset: 1, Amount: chain.Units(5)}, &chain.OpenAccounts{Count: 1}, &chain.Redeem{Asset: 1, Amount: chain.Units(1)},
			}})
		}
		db := openIndex(t, t.TempDir())
		f := newFollowing(t, l, db, 10, generousRate)
		f.Publish(l.headers[9]) // published again: it was counted as old
		f.wantLag(0, 10)        // nobody has counted yet
		f.run()
		synctest.Wait()
		time.Sleep(time.Hour)
		f.wantLag(0, 0)
		wantAll(t, db, l, 10)
		for range 3 {
			f.Publish(l.block(legs(2), legs(1)))
		}
		time.Sleep(time.Hour)
		f.wantLag(0, 0)
		if f.Height() != 13 {
			t.Errorf("it is at %d", f.Height())
		}
		wantAll(t, db, l, 13)
		f.stop()
	})
}

// TestLag counts what is certified and not indexed while the index is slow.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		for range 3 {
			l.block(legs(10), legs(20))
		}
		w := &writer{Writer: openIndex(t, t.TempDir()), takes: time.Second}
		f := follow(t, l, w, 3, generousRate)
		time.Sleep(time.Second / 2)
		f.wantLag(90, 3)
		f.Publish(l.block(legs(7)))
		f.Publish(l.block())
		f.wantLag(97, 5)
		time.Sleep(time.Second) // the first group is written
		f.wantLag(7, 2)
		time.Sleep(10 * time.Second)
		f.wantLag(0, 0)
		f.stop()
	})
}

// TestDuty measures that the follower works at most a fifth of the time, and keeps its rate.
func TestDuty(t *testing.T) {
	const groups = 4
	for _, c := range []struct {
		name   string
		takes  time.Duration
		rate   int
		period time.Duration // from the begin of one group to that of the next
	}{
		{"duty", 100 * time.Millisecond, generousRate, 500 * time.Millisecond},
		{"rate", 100 * time.Millisecond, index.GroupItemsMax, time.Second},
		{"a fast index and a rate", 0, index.GroupItemsMax / 4, 4 * time.Second},
		{"no rate is one row", 0, 0, index.GroupItemsMax * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(t)
				for range groups {
					l.block(legs(index.GroupItemsMax))
				}
				w := &writer{Writer: openIndex(t, t.TempDir()), takes: c.takes}
				begin := time.Now()
				w.before = func() {
					if n := len(w.groups); time.Since(begin) != time.Duration(n)*c.period+c.takes {
						t.Errorf("group %d is written after %v", n, time.Since(begin))
					}
				}
				f := follow(t, l, w, groups, c.rate)
				time.Sleep(groups * c.period)
				f.wantLag(0, 0)
				if len(w.groups) != groups {
					t.Errorf("%d groups", len(w.groups))
				}
				f.stop()
			})
		})
	}
}

// TestYield lets the chain grow three times as fast as the index for two groups, and then stop: meanwhile the follower takes
// a twentieth of the time, afterwards a fifth.
func TestYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		for range 7 {
			l.block(legs(index.GroupItemsMax))
		}
		w := &writer{Writer: openIndex(t, t.TempDir()), takes: 100 * time.Millisecond}
		f := newFollowing(t, l, w, 0, generousRate)
		var begins []time.Duration
		begin := time.Now()
		published := 0
		publish := func(n int) {
			for range n {
				f.Publish(l.headers[published])
				published++
			}
		}
		w.before = func() {
			begins = append(begins, time.Since(begin)-w.takes)
			if len(begins) <= 2 {
				publish(3)
			}
		}
		publish(1)
		f.run()
		time.Sleep(time.Minute)
		f.wantLag(0, 0)
		f.stop()
		busy, idle := 20*w.takes, 5*w.takes
		var want []time.Duration
		for at, i := time.Duration(0), 0; i < 7; i++ {
			want = append(want, at)
			if at += idle; i < 2 {
				at += busy - idle
			}
		}
		if !slices.Equal(begins, want) {
			t.Errorf("groups begin at %v, want %v", begins, want)
		}
	})
}

// TestGroups checks the bounds of groups: batches stay whole, blocks are cut.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		const most = chain.BatchLegsMax
		l.block(legs(most), legs(100), legs(most), legs(index.GroupItemsMax-1), legs(most), legs(1))
		for range index.GroupBlocksMax + 10 {
			l.block()
		}
		w := &writer{Writer: openIndex(t, t.TempDir())}
		f := follow(t, l, w, l.head(), generousRate)
		time.Sleep(time.Hour)
		f.stop()
		if want := []int{most, 100 + most, index.GroupItemsMax - 1 + most, 1, 0}; !slices.Equal(w.rows, want) {
			t.Errorf("groups have %v rows, want %v", w.rows, want)
		}
		var blocks []int
		for _, g := range w.groups {
			blocks = append(blocks, len(g.Blocks))
		}
		if want := []int{0, 0, 0, index.GroupBlocksMax, 11}; !slices.Equal(blocks, want) {
			t.Errorf("groups end %v blocks, want %v", blocks, want)
		}
		if w.groups[1].From != (index.Position{Height: 1, Batch: 1}) || w.groups[1].Next != (index.Position{Height: 1, Batch: 3}) {
			t.Errorf("the second group goes from %v to %v", w.groups[1].From, w.groups[1].Next)
		}
	})
}

// TestGroupOfManySilentItems bounds the work on transactions that move nothing.
func TestGroupOfManySilentItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		silent := content{txs: slices.Repeat([]chain.Body{&chain.OpenAccounts{Count: 1}}, 1024)}
		l.block(slices.Repeat([]content{silent}, 10)...)
		w := &writer{Writer: openIndex(t, t.TempDir())}
		f := follow(t, l, w, 1, generousRate)
		time.Sleep(time.Hour)
		f.wantLag(0, 0)
		f.stop()
		if len(w.groups) != 3 {
			t.Errorf("%d transactions without a row in %d groups", 10*1024, len(w.groups))
		}
	})
}

// TestStop ends a follower wherever it is.
func TestStop(t *testing.T) {
	for _, after := range []time.Duration{0, time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger(t)
			for range 3 {
				l.block(legs(index.GroupItemsMax))
			}
			w := &writer{Writer: openIndex(t, t.TempDir()), takes: 100 * time.Millisecond}
			f := follow(t, l, w, 3, generousRate)
			time.Sleep(after)
			begin := time.Now()
			f.stop()
			if took := time.Since(begin); took > w.takes {
				t.Errorf("after %v it took %v to end", after, took)
			}
		})
	}
}

// TestApplyFails ends the follower with the error; the next one goes on where it was, and repeats nothing.
func TestApplyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		for range 4 {
			l.block(legs(index.GroupItemsMax))
		}
		dir := t.TempDir()
		db := openIndex(t, dir)
		w := &writer{Writer: db, failAt: 3, err: errDamaged}
		f := follow(t, l, w, 4, generousRate)
		if err := <-f.ended; err != errDamaged {
			t.Fatal(err)
		}
		f.wantLag(2*index.GroupItemsMax, 2)
		next := follow(t, l, db, 4, generousRate)
		time.Sleep(time.Hour)
		next.wantLag(0, 0)
		next.stop()
		wantAll(t, db, l, 4)
	})
}

// TestFullDisk waits until a group can be written, says so each time, and repeats nothing.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		for range 4 {
			l.block(legs(index.GroupItemsMax))
		}
		w := &writer{Writer: openIndex(t, t.TempDir()), failAt: 3, fails: 10, err: errFull}
		f := newFollowing(t, l, w, 4, generousRate)
		told := 0
		f.OnRetry(func(err error) {
			if told++; err != errFull {
				t.Errorf("told of %v", err)
			}
		})
		f.run()
		time.Sleep(10 * time.Second)
		f.wantLag(2*index.GroupItemsMax, 2)
		time.Sleep(time.Hour)
		f.wantLag(0, 0)
		f.stop()
		if told != 10 || len(w.groups) != 4 {
			t.Errorf("told %d times, %d groups", told, len(w.groups))
		}
	})
}

// TestRestartInABlock stops after each group of a block, and opens index and follower anew.
func TestRestartInABlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		l.block(legs(index.GroupItemsMax), legs(index.GroupItemsMax), legs(10))
		l.block(legs(5))
		dir := t.TempDir()
		for i, lag := range []uint64{index.GroupItemsMax + 15, 15, 0} {
			db, err := openOnce(dir)
			must(t, err)
			w := &writer{Writer: db, failAt: 2, err: errDamaged}
			f := follow(t, l, w, 2, generousRate)
			time.Sleep(time.Hour)
			f.cancel()
			if err := <-f.ended; err != nil && err != errDamaged || err == nil && i < 2 {
				t.Fatalf("life %d: %v", i, err)
			}
			if f.LagRows() != lag {
				t.Errorf("life %d: it lags by %d rows, want %d", i, f.LagRows(), lag)
			}
			must(t, db.Close())
		}
		wantAll(t, openIndex(t, dir), l, 2)
	})
}

// TestHistoryFails ends the follower when the chain cannot be read.
func TestHistoryFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		l.block(legs(1))
		f := follow(t, l, openIndex(t, t.TempDir()), 2, generousRate) // height 2 is not there
		if err := <-f.ended; !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
		l.mu.Lock()
		l.payloads = map[uint64][]byte{1000: []byte("x")}
		l.mu.Unlock()
		g := follow(t, l, openIndex(t, t.TempDir()), 1, generousRate)
		if err := <-g.ended; !fault.Is(err, fault.Corrupt) {
			t.Error(err)
		}
	})
}
