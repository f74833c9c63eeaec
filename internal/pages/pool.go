// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"slices"
	"sync"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// SnapshotsMax bounds the live snapshots of a Space. Each may keep a copy of every page alive, so a caller that holds so
// many has lost some: one more breaks an invariant.
const SnapshotsMax = 64

// SlabPages is the number of pages allocated at once: 2 MiB, a huge page of the machine, and few objects for the
// collector.
const SlabPages = 128

// pool recycles pages. A page with content of the epochs [born, retired) may be reused once no live snapshot has its
// epoch in there. Retired pages are at most those of the live snapshots.
type pool struct {
	mu       sync.Mutex // guards live and released
	live     []uint64   // epochs of live snapshots, ascending
	released bool       // some snapshot went since the last sweep

	// Owned by the writer:
	slab    func() []Page
	free    []*Page
	retired []retiredPage
	slabs   int
}

type retiredPage struct {
	page          *Page
	born, retired uint64
}

// writable returns a page with old's content that no snapshot sees: old itself if none does now. born is 0 for the
// shared zero page.
func (l *pool) writable(old *Page, born, epoch uint64) *Page {
	if born == 0 {
		page := l.take()
		*page = Page{}
		return page
	}
	l.mu.Lock()
	seen := seenBy(l.live, born, epoch)
	l.mu.Unlock()
	if !seen {
		return old
	}
	page := l.take()
	*page = *old
	l.retired = append(l.retired, retiredPage{old, born, epoch})
	return page
}

// take returns a page of unknown content.
func (l *pool) take() *Page {
	if len(l.free) == 0 {
		l.sweep()
	}
	if len(l.free) == 0 {
		slab := l.slab()
		l.slabs++
		for i := range slab {
			l.free = append(l.free, &slab[len(slab)-1-i])
		}
	}
	last := len(l.free) - 1
	page := l.free[last]
	l.free = l.free[:last]
	return page
}

// sweep frees the retired pages that no live snapshot sees, if a snapshot went since the last sweep.
func (l *pool) sweep() {
	l.mu.Lock()
	released, live := l.released, slices.Clone(l.live)
	l.released = false
	l.mu.Unlock()
	if !released {
		return
	}
	l.retired = slices.DeleteFunc(l.retired, func(r retiredPage) bool {
		if seenBy(live, r.born, r.retired) {
			return false
		}
		l.free = append(l.free, r.page)
		return true
	})
}

// seenBy reports whether an epoch of live lies in [born, retired).
func seenBy(live []uint64, born, retired uint64) bool {
	for _, epoch := range live {
		if epoch >= born {
			return epoch < retired
		}
	}
	return false
}

func (l *pool) hold(epoch uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fault.Invariant(len(l.live) < SnapshotsMax, "%d snapshots are live", len(l.live))
	l.live = append(l.live, epoch)
}

func (l *pool) release(epoch uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, held := slices.BinarySearch(l.live, epoch)
	fault.Invariant(held, "the snapshot of epoch %d was released before", epoch)
	l.live = slices.Delete(l.live, at, at+1)
	l.released = true
}
