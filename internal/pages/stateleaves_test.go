// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// TestStateLeaves takes the leaves of states that grow, shrink and change, and makes the root of each anew from them.
func TestStateLeaves(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	s, tree, l := NewSpace(), NewTree(), NewLeaves()
	var columns []*Column[[64]byte]
	for section := range uint32(4) {
		columns = append(columns, NewColumn[[64]byte](s, section+1, 1<<20))
	}
	type kept struct {
		root   chain.Hash
		leaves *StateLeaves
	}
	var states []kept
	var before *StateLeaves
	for range 40 {
		for range rng.IntN(5) {
			columns[rng.IntN(3)].Mut(uint64(rng.IntN(30)) * 256)[rng.IntN(64)] = byte(rng.IntN(2)) // zero at times
		}
		sn := s.Snapshot()
		root := tree.Update(sn)
		before = tree.StateLeaves(before)
		states = append(states, kept{root, before})
		sn.Release()
	}
	for i, k := range states {
		if l.TableRoot(k.leaves.Rows) != k.root {
			t.Fatalf("state %d: the table has another root", i)
		}
		for at, row := range k.leaves.Rows {
			if uint64(len(k.leaves.Leaves[at])) != row.Pages || l.SectionRoot(k.leaves.Leaves[at]) != row.Root {
				t.Fatalf("state %d: the leaves of section %d have another root", i, row.Section)
			}
		}
		if _, _, ok := k.leaves.Section(4); ok {
			t.Fatal("a section of zeros has a row")
		}
	}
}

// TestStateLeavesShare wants unchanged sections to cost nothing.
func TestStateLeavesShare(t *testing.T) {
	s, tree := NewSpace(), NewTree()
	hot, cold := NewColumn[[64]byte](s, 1, 1<<20), NewColumn[[64]byte](s, 2, 1<<20)
	hot.Mut(0)[0], cold.Mut(256 * 9)[0] = 1, 1
	take := func(before *StateLeaves) *StateLeaves {
		sn := s.Snapshot()
		defer sn.Release()
		tree.Update(sn)
		return tree.StateLeaves(before)
	}
	first := take(nil)
	hot.Mut(256)[0] = 1
	second := take(first)
	if n := first.OwnBytes(nil); n != 11*32 {
		t.Errorf("the first has %d bytes", n)
	}
	if n := second.OwnBytes(first); n != 2*32 {
		t.Errorf("the second has %d bytes beside the first", n)
	}
	if third := take(second); third.OwnBytes(second) != 0 {
		t.Error("a state that did not change costs memory")
	}
}

func TestDifferences(t *testing.T) {
	row := func(section uint32, root byte) SectionRoot {
		return SectionRoot{Section: section, RecordBytes: 8, Pages: 1, Root: chain.Hash{root}}
	}
	for name, x := range map[string]struct {
		a, b []SectionRoot
		want []uint32
	}{
		"same":           {[]SectionRoot{row(1, 1), row(2, 1)}, []SectionRoot{row(1, 1), row(2, 1)}, nil},
		"other roots":    {[]SectionRoot{row(1, 1), row(2, 1), row(3, 1)}, []SectionRoot{row(1, 2), row(2, 1), row(3, 9)}, []uint32{1, 3}},
		"one is missing": {[]SectionRoot{row(1, 1), row(2, 1), row(3, 1)}, []SectionRoot{row(1, 1), row(3, 1)}, []uint32{2}},
		"some more":      {[]SectionRoot{row(1, 1)}, []SectionRoot{row(1, 1), row(7, 1), row(8, 1)}, []uint32{7, 8}},
		"nothing":        {nil, []SectionRoot{row(4, 1)}, []uint32{4}},
	} {
		for _, have := range [][]uint32{DifferentSections(x.a, x.b), DifferentSections(x.b, x.a)} {
			if !slices.Equal(have, x.want) {
				t.Errorf("%s: %v", name, have)
			}
		}
	}
	a, b, zero := chain.Hash{1}, chain.Hash{2}, chain.Hash{}
	for name, x := range map[string]struct {
		a, b         []chain.Hash
		first, count uint64
	}{
		"same":            {[]chain.Hash{a, b}, []chain.Hash{a, b}, 0, 0},
		"the second":      {[]chain.Hash{a, a, a}, []chain.Hash{a, b, a}, 1, 1},
		"a longer one":    {[]chain.Hash{a}, []chain.Hash{a, zero, b, b}, 2, 2},
		"all of it":       {nil, []chain.Hash{a}, 0, 1},
		"zeros at an end": {[]chain.Hash{a}, []chain.Hash{a, zero}, 0, 0},
	} {
		if first, count := DifferentPages(x.a, x.b, zero); first != x.first || count != x.count {
			t.Errorf("%s: %d, %d", name, first, count)
		}
	}
	if first, count := RecordsOf(16, 3); first != 3*1024 || count != 1024 {
		t.Errorf("page 3 has %d records from %d on", count, first)
	}
}
