// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"sort"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// plan is the pages of an offer: which are here, and what was asked for.
type plan struct {
	offer    *Proved
	sections []planned
	zero     chain.Hash

	known       bool // the leaves give the root
	looked      bool // the caller looked what is here
	done, total int  // pages that are not zero

	at   int    // section of the next ask
	page uint32 // first page of it
}

type planned struct {
	checkpoint.Section
	leaves []chain.Hash
	here   []bool
}

func newPlan(p *Proved) *plan {
	l := &plan{offer: p, sections: make([]planned, len(p.Sections))}
	for i, s := range p.Sections {
		l.sections[i].Section = s
	}
	return l
}

// restart asks again from the first section on for what is not here. Leaves that are not proved are asked for again.
func (l *plan) restart() { l.at, l.page = 0, 0 }

// next is the next ask: of leaves, or of pages that are not here.
func (l *plan) next(p phase) (flight, bool) {
	if p == fetching {
		return l.nextPages()
	}
	for ; l.at < len(l.sections); l.at, l.page = l.at+1, 0 {
		if s := &l.sections[l.at]; l.page < s.Pages {
			f := flight{section: s.Number, first: l.page, count: min(leavesPerFrameMax, s.Pages-l.page)}
			l.page += f.count
			return f, true
		}
	}
	return flight{}, false
}

func (l *plan) nextPages() (f flight, ok bool) {
	for ; l.at < len(l.sections); l.at, l.page = l.at+1, 0 {
		s := &l.sections[l.at]
		for ; l.page < uint32(len(s.leaves)); l.page++ {
			if len(f.pages) == pagesPerFrameMax {
				return f, true
			}
			if !s.here[l.page] {
				f.pages = append(f.pages, checkpoint.PageOf{Section: s.Number, Page: l.page})
			}
		}
	}
	return f, len(f.pages) > 0
}

func (l *plan) find(section uint32) *planned {
	i := sort.Search(len(l.sections), func(i int) bool { return l.sections[i].Number >= section })
	if i == len(l.sections) || l.sections[i].Number != section {
		return nil
	}
	return &l.sections[i]
}

// put takes leaves that were asked for.
func (l *plan) put(section, first uint32, hashes []chain.Hash) {
	s := l.find(section)
	if s.leaves == nil {
		s.leaves = make([]chain.Hash, s.Pages)
	}
	copy(s.leaves[first:], hashes)
}

// prove checks the leaves against the root. Pages that are zero are here.
func (l *plan) prove(hash pages.Leaves) bool {
	list := make([]pages.SectionLeaves, len(l.sections))
	for i, s := range l.sections {
		list[i] = pages.SectionLeaves{Section: s.Number, RecordBytes: s.RecordBytes, Leaves: s.leaves}
	}
	if hash.Root(list) != l.offer.Root {
		return false
	}
	l.known, l.zero = true, hash.Zero()
	for i := range l.sections {
		s := &l.sections[i]
		s.here = make([]bool, len(s.leaves))
		for p, leaf := range s.leaves {
			s.here[p] = leaf == l.zero
			if !s.here[p] {
				l.total++
			}
		}
	}
	l.restart()
	return true
}

// wanted lists all pages.
func (l *plan) wanted() []Wanted {
	list := []Wanted{} // not nil: somebody must look
	for i := range l.sections {
		s := &l.sections[i]
		for p, leaf := range s.leaves {
			list = append(list, Wanted{checkpoint.PageOf{Section: s.Number, Page: uint32(p)}, leaf})
		}
	}
	return list
}

// have notes that a page is here.
func (l *plan) have(at checkpoint.PageOf) {
	s := l.find(at.Section)
	if s != nil && at.Page < uint32(len(s.here)) && !s.here[at.Page] {
		s.here[at.Page] = true
		l.done++
	}
}

// leaf is that of a page that was asked for.
func (l *plan) leaf(at checkpoint.PageOf) chain.Hash { return l.find(at.Section).leaves[at.Page] }
