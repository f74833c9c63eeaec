// SPDX-License-Identifier: Apache-2.0

package pages

import "slices"

// Snapshot is the immutable content of a Space at one moment. Any number of goroutines may read it until Release.
type Snapshot struct {
	space *Space
	epoch uint64
	views []View
}

// View is one section of a Snapshot. Pages from Pages on are absent: zero.
type View struct {
	Section     uint32
	RecordBytes uint32
	pages       []*Page
	born        []uint64
	zero        *Page
	space       *Space // whose memory the pages lie in: it stays as long as somebody may read them
}

// Snapshot freezes the present content, in a pointer copy per page. The writer may go on at once: its next write to a
// page copies the page first, if a snapshot still sees it.
func (s *Space) Snapshot() *Snapshot {
	s.pool.hold(s.epoch)
	sn := &Snapshot{space: s, epoch: s.epoch, views: make([]View, len(s.columns))}
	total := 0
	for _, c := range s.columns {
		total += c.used
	}
	pages, born := make([]*Page, 0, total), make([]uint64, 0, total)
	for i, c := range s.columns {
		from := len(pages)
		pages, born = append(pages, c.current[:c.used]...), append(born, c.born[:c.used]...)
		sn.views[i] = View{c.section, c.recordBytes, slices.Clip(pages[from:]), slices.Clip(born[from:]), s.zero, s}
		clear(c.writable)
	}
	s.epoch++
	s.owned = 0
	return sn
}

// Release gives the snapshot's pages back. The snapshot may not be read after; a second Release breaks an invariant.
// Any goroutine may call it, once all its readers have ended.
func (sn *Snapshot) Release() { sn.space.pool.release(sn.epoch) }

// Epoch numbers the snapshots of a Space in ascending order. A page with a born epoch above that of a snapshot has
// changed since.
func (sn *Snapshot) Epoch() uint64 { return sn.epoch }

// Space returns where the snapshot is from. Epochs of different Spaces may not be compared.
func (sn *Snapshot) Space() *Space { return sn.space }

// Sections returns the snapshot's sections in ascending order. The caller may not change the slice.
func (sn *Snapshot) Sections() []View { return sn.views }

// Section returns the view of a section, and false if there is none.
func (sn *Snapshot) Section(section uint32) (View, bool) {
	at, ok := slices.BinarySearchFunc(sn.views, section, func(v View, section uint32) int {
		return int(int64(v.Section) - int64(section))
	})
	if !ok {
		return View{}, false
	}
	return sn.views[at], true
}

// Pages returns the number of pages up to the last that was ever written.
func (v View) Pages() uint64 { return uint64(len(v.pages)) }

// Page returns page p and the epoch of its last change: the zero page and 0 where it is absent.
func (v View) Page(p uint64) (page *Page, born uint64) {
	if p >= uint64(len(v.pages)) {
		return v.zero, 0
	}
	return v.pages[p], v.born[p]
}
