// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"math/rand/v2"
	"testing"
)

// TestLeavesRoot compares the root made of leaves with the tree's, over spaces of random sizes with holes, empty sections,
// and zero pages at the end.
func TestLeavesRoot(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	l := NewLeaves()
	for round := range 60 {
		s := NewSpace()
		var sections []SectionLeaves
		for section := range uint32(1 + rng.IntN(4)) {
			c := NewColumn[[64]byte](s, section+1, 1<<20)
			for range rng.IntN(12) {
				c.Mut(uint64(rng.IntN(40)) * 256)[rng.IntN(64)] = byte(rng.IntN(2)) // zero at times
			}
		}
		sn := s.Snapshot()
		for _, v := range sn.Sections() {
			x := SectionLeaves{Section: v.Section, RecordBytes: v.RecordBytes}
			for p := range v.Pages() {
				page, _ := v.Page(p)
				x.Leaves = append(x.Leaves, l.Of(page.Bytes()))
			}
			sections = append(sections, x)
		}
		if have, want := l.Root(sections), NewTree().Update(sn); have != want {
			t.Fatalf("round %d: %s, the tree says %s", round, have, want)
		}
		sn.Release()
	}
	if l.Zero() != l.Of(make([]byte, PageBytes)) {
		t.Error("a page of zeros has another leaf")
	}
}
