// SPDX-License-Identifier: Apache-2.0

package indextest

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/index"
)

// Following is a follower that runs.
type Following struct {
	*index.Follower
	// Published tells it of a block; nil: it finds out by itself.
	Published func(*chain.ExecutedHeader)
	// Stop ends it and waits for it. It must have ended well.
	Stop func()
}

// Follow runs an index's follower on the chain of a world, whichever way it reads it.
type Follow func(t testing.TB, w *historytest.World, e Engine) *Following

// RunFollower runs the suite of index.Source: whatever way an index reads the chain, it has what the chain has.
func RunFollower(t *testing.T, open func(dir string, id chain.ChainID, genesis chain.Hash) (Engine, error), follow Follow) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(f *followed)
	}{
		{"old blocks, then new ones", testOldAndNew},
		{"exactly once over restarts", testRestarts},
		{"a gap where retention was faster", testOvertaken},
		{"the index of another chain", testOther},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &followed{T: t, open: open, follow: follow, dir: t.TempDir()}
				f.World = historytest.Start(t, f.published)
				c.run(f)
			})
		})
	}
}

// followed is a world and the index that follows it.
type followed struct {
	*testing.T
	*historytest.World
	open   func(dir string, id chain.ChainID, genesis chain.Hash) (Engine, error)
	follow Follow
	dir    string
	engine Engine
	now    atomic.Pointer[Following]
}

func (f *followed) published(h chain.Height) {
	if now := f.now.Load(); now != nil && now.Published != nil {
		header, _, err := f.History.Header(h)
		if err != nil {
			f.Error(err)
			return
		}
		now.Published(header)
	}
}

func (f *followed) must(err error) {
	f.T.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *followed) start() {
	f.T.Helper()
	var err error
	f.engine, err = f.open(f.dir, historytest.Chain, codec.GenesisHash(f.Genesis))
	f.must(err)
	f.now.Store(f.follow(f.T, f.World, f.engine))
}

func (f *followed) stop() {
	f.T.Helper()
	now := f.now.Swap(nil)
	now.Stop()
	f.must(f.engine.Close())
}

// pay makes a block of so many legs, and one of single transactions of which one moves nothing.
func (f *followed) pay(legs int) {
	f.Batch(slices.Repeat([]chain.Leg{historytest.Pay(historytest.House, historytest.Alice, historytest.Gold, 1)}, legs)...)
	open, _ := f.Tx(historytest.House, historytest.GovernanceKey, &chain.OpenAccounts{Count: 1})
	move, _ := f.Tx(historytest.House, historytest.GovernanceKey, &chain.Transfer{To: historytest.Bob, Asset: historytest.Silver, Amount: chain.Units(1)})
	f.Txs(open, move)
}

// wantAll wants the index to be where the chain is, and to list its transfers of the heights that pass.
func (f *followed) wantAll(passes func(history.Transfer) bool) {
	f.T.Helper()
	f.Settle()
	<-time.After(10 * time.Minute)
	head := f.Loop.Height()
	var want []history.Transfer
	for h := chain.Height(1); h <= head; h++ {
		err := f.History.Transfers(h, func(t *history.Transfer) error {
			if passes(*t) {
				want = append(want, *t)
			}
			return nil
		})
		if !fault.Is(err, fault.Pruned) {
			f.must(err)
		}
	}
	at, have := f.listed()
	if lag := f.now.Load().LagRows(); at != head || lag != 0 || !slices.Equal(have, want) {
		f.T.Errorf("the index has %d transfers at height %d and lags by %d rows, the chain has %d at %d", len(have), at, lag, len(want), head)
	}
}

// listed is all that the index lists, oldest first.
func (f *followed) listed() (at chain.Height, all []history.Transfer) {
	f.T.Helper()
	for before := uint64(0); ; {
		h, rows, next, err := f.engine.Transfers(f.T.Context(), 0, 0, before, 1000)
		f.must(err)
		all = append(all, rows...)
		if at, before = h, next; next == 0 {
			break
		}
	}
	slices.Reverse(all)
	return at, all
}

func all(history.Transfer) bool { return true }

func testOldAndNew(f *followed) {
	for n := range 5 {
		f.pay(400 * (n + 1))
	}
	f.start()
	f.wantAll(all)
	for n := range 3 {
		f.pay(n + 1)
		f.wantAll(all)
	}
	f.stop()
}

// testRestarts ends the follower at odd moments: what was written stays, and comes once.
func testRestarts(f *followed) {
	for _, after := range []time.Duration{0, time.Millisecond, 70 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second} {
		f.start()
		for range 3 {
			f.pay(2500)
		}
		<-time.After(after)
		f.stop()
	}
	f.pay(7)
	f.start()
	f.wantAll(all)
	f.stop()
}

// testOvertaken lets payloads go before anybody read them: there is a gap, and behind it all is there.
func testOvertaken(f *followed) {
	for range 12 {
		f.pay(2000)
	}
	f.Recycle(2)
	f.Settle()
	from, err := f.History.Retained(1, f.Loop.Height())
	f.must(err)
	if from < 2 {
		f.T.Fatalf("all is retained from %d on: nothing is tested", from)
	}
	f.start()
	f.wantAll(func(t history.Transfer) bool { return t.Height >= from })
	f.pay(5)
	f.wantAll(func(t history.Transfer) bool { return t.Height >= from })
	f.stop()
}

// testOther starts with an index that knows another block than the chain: nothing is written to it.
func testOther(f *followed) {
	f.pay(1)
	f.Settle()
	var err error
	f.engine, err = f.open(f.dir, historytest.Chain, codec.GenesisHash(f.Genesis))
	f.must(err)
	f.must(f.engine.Apply(&index.Group{From: index.Start(), Next: index.Position{Height: 2}, Blocks: []index.Block{{Height: 1, Hash: chain.Hash{1}}}}))
	f.must(f.engine.Close())
	f.start()
	f.pay(3)
	f.Settle()
	if at, have := f.listed(); at != 1 || len(have) != 0 {
		f.T.Errorf("the index of another chain went on to height %d with %d transfers", at, len(have))
	}
	now := f.now.Swap(nil)
	now.Stop()
	f.must(f.engine.Close())
}
