// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// boardOf keeps the leaves of so many states, each of which writes one page more.
func boardOf(states int, write func(c *pages.Column[[64]byte], at uint64)) *Loop {
	l, space, tree := &Loop{}, pages.NewSpace(), pages.NewTree()
	c := pages.NewColumn[[64]byte](space, 1, 256*(leavesBytesMax/32+1))
	for at := range uint64(states) {
		write(c, at)
		sn := space.Snapshot()
		tree.Update(sn)
		l.board.leaves.keep(chain.Height(10*(at+1)), tree)
		sn.Release()
	}
	return l
}

func TestLeavesAreBounded(t *testing.T) {
	l := boardOf(leavesRootsMax+5, func(c *pages.Column[[64]byte], at uint64) { c.Mut(at * 256)[0] = 1 })
	if _, ok := l.Leaves(50); ok {
		t.Error("more roots are kept than the bound says")
	}
	for at := chain.Height(60); at <= 10*(leavesRootsMax+5); at += 10 {
		if leaves, ok := l.Leaves(at); !ok || uint64(at) != 10*leaves.Rows[0].Pages {
			t.Errorf("the leaves of height %d: %v, %v", at, leaves, ok)
		}
	}
	if _, ok := l.Leaves(61); ok {
		t.Error("leaves of a height without a root")
	}
	if at, ok := l.LeavesFrom(61); !ok || at != 70 {
		t.Errorf("the first from 61 on is %d, %v", at, ok)
	}
	if at, ok := l.LeavesFrom(10*(leavesRootsMax+5) + 1); ok {
		t.Errorf("leaves of height %d, which comes", at)
	}
}

// TestLeavesOfALargeState has states whose leaves pass the bound in bytes: the newest stays.
func TestLeavesOfALargeState(t *testing.T) {
	const most = leavesBytesMax / 32
	l := boardOf(3, func(c *pages.Column[[64]byte], at uint64) {
		c.Mut(0)[at] = 1
		c.Mut((most - 1) * 256)[0] = 1
	})
	if _, ok := l.Leaves(20); ok {
		t.Error("more bytes are kept than the bound says")
	}
	if _, ok := l.Leaves(30); !ok {
		t.Error("the newest is not kept")
	}
}

// TestLeavesOfRoots wants those of the newest root of a running loop.
func TestLeavesOfRoots(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := mustOpen(t, newDisks(t), setup{commit: Config{KeepLeaves: true}})
		for range 3 {
			n.work()
			pause(150 * time.Millisecond)
		}
		pause(time.Minute)
		at, root := n.loop.Root()
		leaves, ok := n.loop.Leaves(at)
		if !ok || pages.NewLeaves().TableRoot(leaves.Rows) != root {
			t.Errorf("the leaves of height %d: %v", at, ok)
		}
		n.mustStop()
	})
}
