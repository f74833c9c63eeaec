// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// lossyStore is a store of which a loss of power takes any writes after the last durable one, the newest first.
type lossyStore struct {
	store.Store
	applied []store.Changes
	kept    int // of applied: durable
}

func newLossyStore() *lossyStore { return &lossyStore{Store: memstore.New()} }

func (s *lossyStore) Apply(c *store.Changes, durable bool) error {
	var own store.Changes
	if err := c.Each(func(op store.Op) error {
		switch op.Kind {
		case store.OpPut:
			own.Put(op.Key, op.Value)
		case store.OpDelete:
			own.Delete(op.Key)
		default:
			own.DeleteRange(op.Key, op.Value)
		}
		return nil
	}); err != nil {
		return err
	}
	s.applied = append(s.applied, own)
	if durable {
		s.kept = len(s.applied)
	}
	return s.Store.Apply(c, durable)
}

// crash is the store after a loss of power; choice says how much is lost.
func (s *lossyStore) crash(t *testing.T, choice int) *lossyStore {
	t.Helper()
	after := newLossyStore()
	maybe := len(s.applied) - s.kept
	for i := range s.kept + []int{0, maybe / 2, maybe}[choice%3] {
		if err := after.Apply(&s.applied[i], true); err != nil {
			t.Fatal(err)
		}
	}
	return after
}

// life works until the disks fail, or to the end, and reports what was published and how many batches were taken.
func life(t *testing.T, d *disks) (published []*Published, taken int, finished bool) {
	t.Helper()
	n, err := open(t, d, setup{commit: Config{CheckpointInterval: time.Millisecond}})
	if err != nil {
		if !errors.Is(err, faultfs.ErrCrashed) {
			t.Fatal(err)
		}
		return nil, 0, false
	}
	n.run()
	finished = true
	for i := range 6 {
		if n.submit(1+i*50) != nil {
			finished = false
			break
		}
		taken++
		pause(60 * time.Millisecond) // a root is due at every other block
	}
	pause(time.Second) // settles
	n.cancel()
	if err := <-n.end; err != nil {
		finished = false
	}
	n.closeLogs()
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.published, taken, finished
}

// resurrect opens the disks again, checks that all that was published is there and unchanged, and works on.
func resurrect(t *testing.T, d *disks, published []*Published, taken int) {
	t.Helper()
	n, err := open(t, d, setup{})
	if err != nil {
		t.Fatal(err)
	}
	stored := n.loop.Height()
	n.run()
	if len(published) > 0 {
		if last := published[len(published)-1].Header.Height; n.engine.ReplayedTo() < last {
			t.Fatalf("height %d was published; the store is at %d, the ordering log at %d", last, stored, n.engine.ReplayedTo())
		}
	}
	candidates, skipped := n.checkpoints.Candidates()
	for _, c := range candidates {
		if h, err := readHeader(d.store, c.Meta.Height+chain.RootDelay); err != nil || h.RootAt != c.Meta.Height || h.StateRoot != c.Meta.Root {
			t.Errorf("the store does not reach the header that certifies checkpoint %d: %v", c.Meta.Height, err)
		}
	}
	if len(skipped) != 0 {
		t.Error(skipped)
	}
	n.wait(n.engine.ReplayedTo())
	pause(time.Second)
	legs := n.moved()
	if legs != n.loop.LegsOK() {
		t.Errorf("account 2 has %d, %d transfers were counted", legs, n.loop.LegsOK())
	}
	n.work()
	if n.moved() != legs+1 {
		t.Error("the new batch did not execute")
	}
	checkHistory(t, d.store, published)
	n.mustStop() // a height can be waited for before OnPublished was told of it
	again := n.published
	checkHistory(t, d.store, again)
	if len(again) == 0 || again[0].Header.Height != stored+1 {
		t.Errorf("the store was at height %d, publishing went on with %+v", stored, again)
	}
	checkOnce(t, d.store, taken+1)
	if n.pool.LentBytes() != 0 {
		t.Errorf("%d bytes of payloads are still held", n.pool.LentBytes())
	}
}

// checkOnce asserts that the stored chain is whole, and that no batch stands in it twice.
func checkOnce(t *testing.T, s store.Reader, atMost int) {
	t.Helper()
	last, _, err := store.LastHeader(s)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[chain.Hash]chain.Height{}
	var previous *chain.ExecutedHeader
	for height := chain.Height(1); height <= last; height++ {
		h, err := readHeader(s, height)
		if err != nil {
			t.Fatal(err)
		}
		if previous != nil && h.TimeUs <= previous.TimeUs {
			t.Errorf("height %d: time runs back", height)
		}
		previous = h
		for _, b := range h.Batches {
			if at, twice := seen[b.Batch]; twice {
				t.Errorf("batch %s stands at heights %d and %d", b.Batch, at, height)
			}
			seen[b.Batch] = height
		}
	}
	if len(seen) > atMost {
		t.Errorf("%d batches are in the chain, %d were taken", len(seen), atMost)
	}
}

// TestCrashAtEveryApply fails each write of the block store.
func TestCrashAtEveryApply(t *testing.T) {
	for i, finished := 1, false; !finished; i++ {
		synctest.Test(t, func(t *testing.T) {
			d := newDisks(t)
			memory := memstore.New()
			memory.FailApply(i)
			d.store = memory
			var published []*Published
			var taken int
			published, taken, finished = life(t, d)
			if !finished && len(published) != i-1 {
				t.Fatalf("write %d failed, %d blocks were published", i, len(published))
			}
			d.store = memory.Crash()
			resurrect(t, d, published, taken)
		})
		if t.Failed() {
			t.Fatalf("at write %d", i)
		}
	}
}

// TestCrashAtEveryOperation loses power at each operation of the two logs' disk, and with it what the store did not flush.
func TestCrashAtEveryOperation(t *testing.T) {
	stride := 1
	if testing.Short() {
		stride = 5
	}
	for i, finished := 0, false; !finished; i += stride {
		synctest.Test(t, func(t *testing.T) {
			d := newDisks(t)
			d.fs.StopAfter(i)
			lossy := newLossyStore()
			d.store = lossy
			var published []*Published
			var taken int
			published, taken, finished = life(t, d)
			d.fs = d.fs.Crash(uint64(i))
			d.store = lossy.crash(t, i)
			resurrect(t, d, published, taken)
		})
		if t.Failed() {
			t.Fatalf("at operation %d", i)
		}
	}
}
