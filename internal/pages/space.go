// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a Space. A caller that would pass one breaks an invariant; a loaded file that would is Corrupt.
const (
	PageBytes   = 16 << 10
	PagesMax    = 1 << 22 // of one section: 64 GiB
	SectionsMax = 1024
)

// slotsMin is the least number of page slots that a used column has.
const slotsMin = 16

// Page is PageBytes bytes, aligned for any record.
type Page struct{ words [PageBytes / 8]uint64 }

// Space is a set of columns with one writer. Only Snapshot.Release may be called from other goroutines.
type Space struct {
	columns []*column // in ascending order of section
	epoch   uint64    // of the pages written now; snapshots have smaller ones
	zero    *Page     // stands for every absent page; never written
	owned   int       // pages made writable since the last snapshot
	pool    pool
}

// Owned is the number of pages written since the last snapshot: what an Update of it will hash, and what the writer copies
// if it goes on while the snapshot lives and writes to them all again.
func (s *Space) Owned() int { return s.owned }

// column is a section without its record type.
type column struct {
	hot         hot
	current     []*Page
	writable    []*Page
	born        []uint64 // epoch of the page's last copy; 0 where absent
	used        int      // pages up to the last present one
	section     uint32
	recordBytes uint32
	recordsMax  uint64
	raw         bool // loaded, and not yet adopted by NewColumn
	space       *Space
}

// NewSpace makes a Space without columns, whose pages lie in Go's heap.
func NewSpace() *Space { return NewSpaceIn(func() []Page { return make([]Page, SlabPages) }) }

// NewSpaceIn makes a Space without columns that takes its pages from slab, SlabPages at a time, and keeps them for ever.
// What slab gives need not be zero.
func NewSpaceIn(slab func() []Page) *Space {
	return &Space{epoch: 1, zero: new(Page), pool: pool{slab: slab}}
}

// Len returns the number of records that have a page slot in snapshots: all others are zero.
func (c *column) Len() uint64 { return min(c.recordsMax, uint64(c.used)*c.perPage()) }

// Section returns the column's section number.
func (c *column) Section() uint32 { return c.section }

func (c *column) perPage() uint64 { return PageBytes / uint64(c.recordBytes) }

func (c *column) pagesMax() uint64 { return (c.recordsMax + c.perPage() - 1) / c.perPage() }

func (s *Space) find(section uint32) (int, bool) {
	return slices.BinarySearchFunc(s.columns, section, func(c *column, section uint32) int {
		return int(int64(c.section) - int64(section))
	})
}

// adopt registers c, with the pages of its section if they were loaded.
func (s *Space) adopt(c *column) {
	recordsMax := PagesMax * c.perPage()
	fault.Invariant(c.recordsMax > 0 && c.recordsMax <= recordsMax, "section %d: recordsMax is %d, not 1 to %d", c.section, c.recordsMax, recordsMax)
	at, exists := s.find(c.section)
	if !exists {
		fault.Invariant(len(s.columns) < SectionsMax, "section %d: there are %d already", c.section, SectionsMax)
		s.columns = slices.Insert(s.columns, at, c)
		return
	}
	loaded := s.columns[at]
	fault.Invariant(loaded.raw, "section %d has a column already", c.section)
	fault.Invariant(loaded.recordBytes == c.recordBytes, "section %d was loaded with records of %d bytes, not %d", c.section, loaded.recordBytes, c.recordBytes)
	fault.Invariant(uint64(loaded.used) <= c.pagesMax(), "section %d was loaded with %d pages: more than %d records", c.section, loaded.used, c.recordsMax)
	c.current, c.writable, c.born, c.used = loaded.current, loaded.writable, loaded.born, loaded.used
	s.columns[at] = c
	if len(c.current) > 0 {
		c.resize(uint64(len(c.current)))
	}
}

// checkIndex keeps Invariant's arguments off the heap while it holds.
func (c *column) checkIndex(i uint64) {
	if i >= c.recordsMax {
		fault.Invariant(false, "section %d: record %d of %d", c.section, i, c.recordsMax)
	}
}

// absent answers a read for which there is no page slot.
func (c *column) absent(i uint64) *Page {
	c.checkIndex(i)
	return c.space.zero
}

// own makes the page of record i writable in this epoch.
func (c *column) own(i uint64) *Page {
	c.checkIndex(i)
	p := i / c.perPage()
	if p >= uint64(len(c.current)) {
		c.resize(min(c.pagesMax(), max(slotsMin, p+1, 2*uint64(len(c.current)))))
	}
	c.put(p, c.space.pool.writable(c.current[p], c.born[p], c.space.epoch))
	return c.current[p]
}

// put makes page the p-th one of c, written in this epoch.
func (c *column) put(p uint64, page *Page) {
	c.current[p], c.writable[p], c.born[p] = page, page, c.space.epoch
	c.used = max(c.used, int(p)+1)
	c.space.owned++
}

// resize gives c slots for that many pages, never fewer than it has.
func (c *column) resize(slots uint64) {
	more := int(slots) - len(c.current)
	c.current = append(c.current, slices.Repeat([]*Page{c.space.zero}, more)...)
	c.writable = append(c.writable, make([]*Page, more)...)
	c.born = append(c.born, make([]uint64, more)...)
	c.setHot(min(c.recordsMax, slots*c.perPage()))
}

// Stats counts a Space's pages, of PageBytes each.
type Stats struct {
	Present int // in the current state
	Retired int // replaced, and kept for a live snapshot
	Free    int // waiting to be reused
}

// Stats returns the present counts. The sum is all page memory: it never shrinks.
func (s *Space) Stats() Stats {
	allocated := s.pool.slabs * SlabPages
	free, retired := len(s.pool.free), len(s.pool.retired)
	return Stats{Present: allocated - free - retired, Retired: retired, Free: free}
}
