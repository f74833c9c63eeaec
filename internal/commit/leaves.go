// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"slices"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// Bounds of the leaves that are kept. A validator that diverges compares those of the root in its header, which is at most
// DepthMax + chain.RootDelay blocks old, with a peer's, who went on for as long as the question travels. At either bound the
// oldest go; the newest always stay.
const (
	leavesRootsMax = 64
	leavesBytesMax = 8 << 20
)

// keptLeaves is what a state root of this node was made of.
type keptLeaves struct {
	at     chain.Height
	leaves *pages.StateLeaves
}

// leafBoard keeps the leaves of the newest state roots, certified or not: when two nodes have different roots, they say in
// which page. The rooter writes, anyone reads.
type leafBoard struct {
	mu   sync.Mutex
	kept []keptLeaves // guarded by mu; heights ascend
}

// keep takes the leaves of the tree's last update in.
func (b *leafBoard) keep(at chain.Height, tree *pages.Tree) {
	var before *pages.StateLeaves
	if n := len(b.kept); n > 0 { // only the rooter changes kept
		before = b.kept[n-1].leaves
	}
	leaves := tree.StateLeaves(before)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, keptLeaves{at, leaves})
	for len(b.kept) > leavesRootsMax || len(b.kept) > 1 && b.bytes() > leavesBytesMax {
		b.kept = slices.Delete(b.kept, 0, 1)
	}
}

// bytes is the memory of all leaves. The caller holds mu.
func (b *leafBoard) bytes() (n int64) {
	var before *pages.StateLeaves
	for _, k := range b.kept {
		n += k.leaves.OwnBytes(before)
		before = k.leaves
	}
	return n
}

// Leaves is what the state root of a height was made of here, and false if it is not kept: no root was due then, or not
// since the start, or newer ones took its place.
func (l *Loop) Leaves(at chain.Height) (*pages.StateLeaves, bool) {
	b := &l.board.leaves
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := slices.BinarySearchFunc(b.kept, at, func(k keptLeaves, at chain.Height) int { return int(int64(k.at) - int64(at)) })
	if !ok {
		return nil, false
	}
	return b.kept[i].leaves, true
}

// LeavesFrom is the lowest height at or above least of which Leaves are kept, and false if there is none.
func (l *Loop) LeavesFrom(least chain.Height) (chain.Height, bool) {
	b := &l.board.leaves
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.kept {
		if k.at >= least {
			return k.at, true
		}
	}
	return 0, false
}
