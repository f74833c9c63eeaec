// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// checkpointed is the height of the newest checkpoint on disk.
func (n *node) checkpointed() chain.Height {
	n.t.Helper()
	candidates, skipped := n.checkpoints.Candidates()
	if len(skipped) > 0 {
		n.t.Error(skipped)
	}
	if len(candidates) == 0 {
		return 0
	}
	return candidates[0].Meta.Height
}

// worked is the height of the newest block with a batch.
func (n *node) worked() (h chain.Height) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.published {
		if len(p.Header.Batches) > 0 {
			h = p.Header.Height
		}
	}
	return h
}

// When traffic stops, its last state is written after the interval, and then no more.
func TestIdleNetworkIsCheckpointed(t *testing.T)      { testIdleNetworkIsCheckpointed(t, 0) }
func TestIdleNetworkIsCheckpointedBrief(t *testing.T) { testIdleNetworkIsCheckpointed(t, 1) }

func testIdleNetworkIsCheckpointed(t *testing.T, briefPagesMin int) {
	bubble(t, func(t *testing.T) {
		const interval = 3 * time.Second
		n := mustOpen(t, newDisks(t), setup{commit: Config{CheckpointInterval: interval, BriefPagesMin: briefPagesMin}})
		for range 20 { // one checkpoint falls into this time, and work goes on
			n.work()
			pause(20 * time.Millisecond)
		}
		pause(time.Second)
		first := n.checkpointed()
		if first == 0 || first >= n.worked() {
			t.Fatalf("a checkpoint of height %d, work ended at %d", first, n.worked())
		}
		pause(interval)
		if at := n.checkpointed(); at < n.worked() {
			t.Errorf("the idle network has a checkpoint of height %d, work ended at %d", at, n.worked())
		}
		height := n.loop.Height()
		pause(time.Hour)
		if n.loop.Height() != height {
			t.Errorf("the idle network went from height %d to %d", height, n.loop.Height())
		}
		n.mustStop()
	})
}

// Checkpoints keep their distance, also when every pause in traffic looks like its end.
func TestCheckpointInterval(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := mustOpen(t, newDisks(t), setup{commit: Config{CheckpointInterval: 10 * time.Second}})
		var changed []time.Time
		at := chain.Height(0)
		for range 120 {
			n.work()
			pause(500 * time.Millisecond)
			if now := n.checkpointed(); now != at {
				at = now
				changed = append(changed, time.Now())
			}
		}
		for i := 1; i < len(changed); i++ {
			if d := changed[i].Sub(changed[i-1]); d < 9*time.Second {
				t.Errorf("two checkpoints are %s apart", d)
			}
		}
		if len(changed) < 6 {
			t.Errorf("%d checkpoints in a minute", len(changed))
		}
		n.mustStop()
	})
}

// A clean stop writes the state that waits for the interval, and a restart has nothing to execute but the blocks that
// carried its root.
func TestCleanStopIsCheckpointed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDisks(t)
		s := setup{commit: Config{CheckpointInterval: time.Hour}}
		n := mustOpen(t, d, s)
		n.work()
		pause(time.Second) // the first checkpoint
		n.work()
		pause(time.Second)
		if n.checkpointed() >= n.worked() {
			t.Fatal("the interval was not kept")
		}
		worked := n.worked()
		n.mustStop()
		n = mustOpen(t, d, s)
		if n.from < worked {
			t.Errorf("it begins at height %d, work ended at %d", n.from, worked)
		}
		n.mustStop()
	})
}

// After a fault the stop writes nothing.
func TestFaultIsNotCheckpointed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := mustOpen(t, newDisks(t), setup{commit: Config{CheckpointInterval: time.Hour}})
		n.work()
		pause(time.Second)
		n.work()
		pause(time.Second)
		before := n.checkpointed()
		gone := fault.New(fault.Halted, "the disk is gone")
		n.fail(gone)
		if err := n.died(); !errors.Is(err, gone) {
			t.Error(err)
		}
		if at := n.checkpointed(); at != before || at == 0 {
			t.Errorf("the checkpoint of height %d became one of height %d", before, at)
		}
	})
}

// The floor stands in the checkpoint on disk before anything below it is let go.
func TestFloorComesFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDisks(t)
		var n *node
		trims := 0
		check := func(below chain.Height) {
			trims++
			if f := n.loop.floor(); f.Height+1 != below || f.Segment == 0 {
				t.Errorf("below %d is let go, the floor is %+v", below, f)
			}
		}
		s := setup{commit: Config{CheckpointInterval: 200 * time.Millisecond, RetainBytes: 4 * testSegmentBytes}}
		s.parts = func(p *Parts) {
			trim := p.TrimOrder
			p.TrimOrder = func(below chain.Height) error {
				check(below)
				return trim(below)
			}
		}
		n = mustOpen(t, d, s)
		for range 200 {
			n.mustSubmit(100)
			pause(30 * time.Millisecond)
		}
		if trims < 3 {
			t.Errorf("something was let go %d times", trims)
		}
		floor := n.loop.floor()
		n.mustStop()
		s.commit.RetainBytes *= 100 // more is to be retained than there is
		n = mustOpen(t, d, s)
		n.work()
		pause(time.Second)
		synctest.Wait()
		if now := n.loop.floor(); now != floor {
			t.Errorf("the floor %+v became %+v", floor, now)
		}
		n.mustStop()
	})
}

// fullFS is a file system on which the given operation finds no space, while full.
type fullFS struct {
	checkpoint.OS
	op   string
	full bool
}

func (f *fullFS) Open(path string, write bool) (checkpoint.File, error) {
	file, err := f.OS.Open(path, write)
	if err != nil {
		return nil, err
	}
	return fullFile{file, f}, nil
}

type fullFile struct {
	checkpoint.File
	fs *fullFS
}

func (f fullFile) fail(op string) error {
	if f.fs.full && f.fs.op == op {
		return &fs.PathError{Op: op, Path: "a.ckpt", Err: syscall.ENOSPC}
	}
	return nil
}

// WriteAt writes, or finds no space.
func (f fullFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.fail("write"); err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, at)
}

// Sync flushes, or finds no space.
func (f fullFile) Sync() error { return errors.Join(f.fail("sync"), f.File.Sync()) }

// On a full disk checkpoints are put off, and come again with space; a flush that fails stops the writer, also for that.
func TestCheckpointOnAFullDisk(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		t.Run(op, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d, disk := newDisks(t), &fullFS{op: op}
				s := setup{commit: Config{CheckpointInterval: time.Second}}
				s.parts = func(p *Parts) {
					var err error
					if p.Checkpoints, err = checkpoint.Open(d.dir, disk, checkpoint.Config{Chain: testChain}); err != nil {
						t.Fatal(err)
					}
				}
				n := mustOpen(t, d, s)
				n.work()
				pause(time.Minute)
				before := n.checkpointed()
				disk.full = true
				if op == "sync" {
					n.mustSubmit(1)
					if err := n.died(); !errors.Is(err, syscall.ENOSPC) {
						t.Error(err)
					}
					return
				}
				for range 5 {
					n.work()
					pause(time.Minute)
				}
				if at := n.checkpointed(); at != before || before == 0 {
					t.Errorf("the checkpoint of height %d became one of height %d", before, at)
				}
				disk.full = false
				n.work()
				pause(time.Minute)
				if n.checkpointed() < n.worked() {
					t.Errorf("with space again: a checkpoint of height %d, work ended at %d", n.checkpointed(), n.worked())
				}
				n.mustStop()
			})
		})
	}
}
