// SPDX-License-Identifier: Apache-2.0

package epoch

import (
	"sort"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// History is the memberships of a chain from its genesis on, as far as proved handovers lead. It only grows: an epoch costs 2 KB
// a member, and 45 KB for each who joined in it. It is safe for use by many goroutines.
type History struct {
	mu   sync.RWMutex
	sets []*Set           // guarded by mu; of epoch i+1
	ends []chain.Handover // guarded by mu; that ended epoch i+1
}

// NewHistory begins with the validators of a genesis. Invalid: as of NewSet.
func NewHistory(g *chain.Genesis) (*History, error) {
	first, err := NewSet(g.Chain, g.Membership())
	if err != nil {
		return nil, err
	}
	return &History{sets: []*Set{first}}, nil
}

// Extend checks a handover that ends the current epoch and takes its next membership. Errors are Invalid, by reason, and
// change nothing. One that the history has already is Conflict. The history keeps p's members.
func (hs *History) Extend(p *chain.ProvedHandover) error {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	set := hs.sets[len(hs.sets)-1]
	if p.Next.Epoch <= set.Epoch() {
		return fault.Reasoned(fault.Conflict, ReasonOtherEpoch, "the history stands in epoch %d already", set.Epoch())
	}
	if err := set.VerifyHandover(p); err != nil {
		return err
	}
	next, err := newSetAfter(&p.Handover, set)
	if err != nil {
		return err
	}
	hs.sets, hs.ends = append(hs.sets, next), append(hs.ends, p.Handover)
	return nil
}

// Current is the newest epoch's set.
func (hs *History) Current() *Set {
	hs.mu.RLock()
	defer hs.mu.RUnlock()
	return hs.sets[len(hs.sets)-1]
}

// At returns the set of an epoch, nil if the history does not reach it.
func (hs *History) At(e chain.Epoch) *Set {
	hs.mu.RLock()
	defer hs.mu.RUnlock()
	if e == 0 || e > chain.Epoch(len(hs.sets)) {
		return nil
	}
	return hs.sets[e-1]
}

// EpochOf is the epoch that a height belongs to. A height above the last handover is of the current epoch, as far as is known.
func (hs *History) EpochOf(height chain.Height) chain.Epoch {
	hs.mu.RLock()
	defer hs.mu.RUnlock()
	ended := sort.Search(len(hs.ends), func(i int) bool { return height <= hs.ends[i].Height })
	return chain.Epoch(ended + 1)
}

// SealedHomes returns the handover of the seal that made a version of the home table, false while none is known.
func (hs *History) SealedHomes(version uint64) (chain.Handover, bool) {
	hs.mu.RLock()
	defer hs.mu.RUnlock()
	for _, end := range hs.ends {
		if end.Verdict == chain.VerdictToV10 && end.HomeVersion == version {
			return end, true
		}
	}
	return chain.Handover{}, false
}

// End returns the handover that ended an epoch, false while none is known.
func (hs *History) End(e chain.Epoch) (chain.Handover, bool) {
	hs.mu.RLock()
	defer hs.mu.RUnlock()
	if e == 0 || e > chain.Epoch(len(hs.ends)) {
		return chain.Handover{}, false
	}
	return hs.ends[e-1], true
}
