// SPDX-License-Identifier: Apache-2.0

package v11state

import (
	"math/rand/v2"
	"testing"

	"github.com/aurigraph/aurigraph/internal/pages"
)

// TestTreeIsThePages hashes sections of all shapes by both programs: zero pages at the beginning, within and at the end.
func TestTreeIsThePages(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	mine, theirs := newTree(), pages.NewLeaves()
	for n := range 140 {
		s := pages.SectionLeaves{Section: 7, RecordBytes: 16}
		for range n {
			page := make([]byte, pageBytes)
			switch rng.IntN(4) {
			case 0: // absent
				mine.addAbsent(1)
			case 1: // there, and zero
				mine.add(page)
			default:
				page[rng.IntN(pageBytes)] = byte(1 + rng.IntN(255))
				mine.add(page)
			}
			s.Leaves = append(s.Leaves, theirs.Of(page))
		}
		count, root := mine.root()
		var top topTable
		if top.add(7, 16, count, &root); top.root() != theirs.Root([]pages.SectionLeaves{s}) {
			t.Fatalf("%d pages: another root", n)
		}
	}
}
