// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// StateLeaves is what a state root was made of: the table that it hashes, and the leaves below each row. Nobody changes it,
// so it outlives the Tree that it was taken from, and states that have a section in common share its leaves.
type StateLeaves struct {
	Rows   []SectionRoot
	Leaves [][]chain.Hash // of each row, up to its page count
}

// StateLeaves copies the leaves of the last Update. Sections that have the same root in before, which may be nil, are shared
// with it: then only what changed between two states costs memory.
func (t *Tree) StateLeaves(before *StateLeaves) *StateLeaves {
	s := &StateLeaves{Rows: t.rows, Leaves: make([][]chain.Hash, len(t.rows))}
	for i, r := range t.rows {
		if at, ok := before.find(r.Section); ok && before.Rows[at] == r {
			s.Leaves[i] = before.Leaves[at]
			continue
		}
		s.Leaves[i] = slices.Clone(t.sections[r.Section].levels[0][:r.Pages])
	}
	return s
}

// find is the place of a section's row. A nil StateLeaves has none.
func (s *StateLeaves) find(section uint32) (int, bool) {
	if s == nil {
		return 0, false
	}
	return slices.BinarySearchFunc(s.Rows, section, func(r SectionRoot, section uint32) int {
		return int(int64(r.Section) - int64(section))
	})
}

// Section returns a section's row and leaves, and false if all of it is zero.
func (s *StateLeaves) Section(section uint32) (SectionRoot, []chain.Hash, bool) {
	at, ok := s.find(section)
	if !ok {
		return SectionRoot{Section: section}, nil, false
	}
	return s.Rows[at], s.Leaves[at], true
}

// OwnBytes is the memory of the leaves that s does not share with before, which may be nil.
func (s *StateLeaves) OwnBytes(before *StateLeaves) (n int64) {
	for i, r := range s.Rows {
		if at, ok := before.find(r.Section); ok && &before.Leaves[at][0] == &s.Leaves[i][0] {
			continue
		}
		n += int64(len(s.Leaves[i])) * int64(len(chain.Hash{}))
	}
	return n
}

// TableRoot is the state root over a table, whose rows ascend by section.
func (l Leaves) TableRoot(rows []SectionRoot) chain.Hash { return l.h.top(rows) }

// SectionRoot is the root over the leaves of a section's pages, of which the last is not Zero: that in its row.
func (l Leaves) SectionRoot(leaves []chain.Hash) chain.Hash { return l.section(leaves) }

// DifferentSections are the sections in which two tables differ, ascending.
func DifferentSections(a, b []SectionRoot) (sections []uint32) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].Section < b[0].Section:
			sections, a = append(sections, a[0].Section), a[1:]
		case a[0].Section > b[0].Section:
			sections, b = append(sections, b[0].Section), b[1:]
		default:
			if a[0] != b[0] {
				sections = append(sections, a[0].Section)
			}
			a, b = a[1:], b[1:]
		}
	}
	for _, rest := range [][]SectionRoot{a, b} {
		for i := range rest {
			sections = append(sections, rest[i].Section)
		}
	}
	return sections
}

// DifferentPages is the lowest page in which the leaves of a section differ, and how many do. Where the shorter list has no
// leaf, the page is zero.
func DifferentPages(a, b []chain.Hash, zero chain.Hash) (first, count uint64) {
	at := func(list []chain.Hash, p int) chain.Hash {
		if p < len(list) {
			return list[p]
		}
		return zero
	}
	for p := range max(len(a), len(b)) {
		if at(a, p) == at(b, p) {
			continue
		}
		if count == 0 {
			first = uint64(p)
		}
		count++
	}
	return first, count
}

// RecordsOf is which records lie in a page of a section whose records have so many bytes.
func RecordsOf(recordBytes uint32, page uint64) (first, count uint64) {
	perPage := uint64(PageBytes) / uint64(max(1, recordBytes))
	return page * perPage, perPage
}
