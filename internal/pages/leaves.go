// SPDX-License-Identifier: Apache-2.0

package pages

import "github.com/aurigraph/aurigraph/internal/chain"

// Leaves makes the hashes of pages, for whoever takes a state over page by page. One goroutine uses it.
type Leaves struct{ h *hasher }

// NewLeaves makes a hasher of pages.
func NewLeaves() Leaves { return Leaves{newHasher()} }

// Of is the leaf of a page of PageBytes bytes.
func (l Leaves) Of(page []byte) chain.Hash { return l.h.leaf(page) }

// Zero is the leaf of a page of zeros.
func (l Leaves) Zero() chain.Hash { return l.h.zero[0] }

// SectionLeaves are the leaves of a section's pages, from page 0 on, at most PagesMax. Those that are not there are Zero.
type SectionLeaves struct {
	Section     uint32
	RecordBytes uint32
	Leaves      []chain.Hash
}

// Root is the state root over sections, which ascend: the one that a Tree over their pages has.
func (l Leaves) Root(sections []SectionLeaves) chain.Hash {
	var rows []SectionRoot
	for i := range sections {
		s := &sections[i]
		n := len(s.Leaves)
		for n > 0 && s.Leaves[n-1] == l.h.zero[0] {
			n--
		}
		if n > 0 {
			rows = append(rows, SectionRoot{s.Section, s.RecordBytes, uint64(n), l.section(s.Leaves[:n])})
		}
	}
	return l.h.top(rows)
}

// section is the root of the least perfect tree over leaves, of which there is one at least.
func (l Leaves) section(leaves []chain.Hash) chain.Hash {
	level := append([]chain.Hash(nil), leaves...)
	for k := range depthOf(uint64(len(leaves))) {
		if len(level)%2 == 1 {
			level = append(level, l.h.zero[k])
		}
		for i := range len(level) / 2 {
			level[i] = l.h.pair(&level[2*i], &level[2*i+1])
		}
		level = level[:len(level)/2]
	}
	return level[0]
}
