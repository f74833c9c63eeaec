// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of what is kept of findings; all are counted.
const (
	KeptPerKindMax = 1000
	keptMax        = 8000
)

// Finding is something that is not as it should be. It has no name of V10's: accounts are by number, or by a hash that means something
// within one run only.
type Finding struct {
	Class    string `json:"class"`
	Side     string `json:"side"`
	Table    string `json:"table"`
	Key      string `json:"key"` // of the row
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`

	// rows are those that it is about, by which it is told whose row is wrong, and what the sums would be with the other.
	rows *rowPair
}

// rowPair is one transaction as V10 and V11 have it; nil: it has not.
type rowPair struct {
	v10, v11 *Tx
	open     bool // whose row is wrong is for the sums to tell
}

func pairOf(x, y *Tx, open bool) *rowPair {
	p := &rowPair{open: open}
	if x != nil {
		p.v10 = new(Tx)
		*p.v10 = *x
	}
	if y != nil {
		p.v11 = new(Tx)
		*p.v11 = *y
	}
	return p
}

func (p *rowPair) cells() (all []uint64) {
	for _, t := range []*Tx{p.v10, p.v11} {
		if t != nil {
			all = append(all, t.FromCell, t.ToCell, t.SupplyCell)
		}
	}
	return all
}

// Kind is the name of its kind.
func (f *Finding) Kind() string { return f.Side + "/" + f.Table + "/" + f.Class }

func (f *Finding) id() string { return f.Kind() + " " + f.Key }

// Count is how often a kind was found.
type Count struct {
	Kind  string `json:"kind"`
	Count uint64 `json:"count"`
}

// Findings gathers findings. It is safe for any number of goroutines.
type Findings struct {
	mu    sync.Mutex
	count map[string]uint64
	seen  map[string]bool // rows with a finding of a kind, as far as they are kept
	kept  []Finding
	mends []correction // of rows that could not be read
}

var known = func() map[string]bool {
	all := map[string]bool{}
	for _, k := range Kinds() {
		all[k.Name()] = true
	}
	return all
}()

// Add takes a finding. One of the same kind and row as before is the same one.
func (fs *Findings) Add(f Finding) {
	fault.Invariant(known[f.Kind()], "nothing is known of findings %s", f.Kind())
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.count == nil {
		fs.count, fs.seen = map[string]uint64{}, map[string]bool{}
	}
	if fs.seen[f.id()] {
		return
	}
	fs.count[f.Kind()]++
	if fs.count[f.Kind()] <= KeptPerKindMax && len(fs.kept) < keptMax {
		fs.seen[f.id()] = true
		fs.kept = append(fs.kept, f)
	}
}

// Total is how many there are.
func (fs *Findings) Total() (n uint64) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, c := range fs.count {
		n += c
	}
	return n
}

// Kept are those that are kept, by kind and key.
func (fs *Findings) Kept() []Finding {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	all := slices.Clone(fs.kept)
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Kind(), b.Kind()), strings.Compare(a.Key, b.Key))
	})
	return all
}

// Counts are the kinds that were found, by name.
func (fs *Findings) Counts() (all []Count) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for k, n := range fs.count {
		all = append(all, Count{k, n})
	}
	slices.SortFunc(all, func(a, b Count) int { return strings.Compare(a.Kind, b.Kind) })
	return all
}

// blame says of findings between two rows whose it is, by the sums that the row of either side has a part in: money that is wrong in a
// row is missing from its side's sums. It changes Side and Table, and turns what one side has too much into what the other lacks.
func (fs *Findings) blame(v10, v11 *Buckets, turn func(f *Finding, v10Wrong, v11Wrong bool)) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i := range fs.kept {
		f := &fs.kept[i]
		if f.rows == nil || !f.rows.open {
			continue
		}
		before, id, cells := f.Kind(), f.id(), f.rows.cells()
		turn(f, touches(v10, cells), touches(v11, cells))
		if after := f.Kind(); after != before {
			fault.Invariant(known[after], "nothing is known of findings %s", after)
			if fs.count[before]--; fs.count[before] == 0 {
				delete(fs.count, before)
			}
			fs.count[after]++
			delete(fs.seen, id)
			fs.seen[f.id()] = true // or it would not be known again by a second look
		}
	}
}

// correction is what a side's sums lack, or have too much, because of a row that is wrong and was found.
type correction struct {
	side string
	tx   *Tx
	add  bool
}

// corrections are those of the findings whose side is clear, or is open until blame; each transaction's once.
func (fs *Findings) corrections(open bool) (all []correction) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	done := map[string]bool{}
	if !open {
		all = append(all, fs.mends...)
	}
	for i := range fs.kept {
		f := &fs.kept[i]
		id := f.Side + f.Table + f.Key
		if f.rows == nil || f.rows.open != open || f.Class == classReordered || done[id] {
			continue
		}
		done[id] = true
		right, wrong := f.rows.v10, f.rows.v11
		if f.Side == SideV10 {
			right, wrong = wrong, right
		}
		if right != nil {
			all = append(all, correction{f.Side, right, true})
		}
		if wrong != nil {
			all = append(all, correction{f.Side, wrong, false})
		}
	}
	return all
}

// mend notes what a row that cannot be read is to be.
func (fs *Findings) mend(side string, tx *Tx) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.mends) < keptMax {
		right := *tx
		fs.mends = append(fs.mends, correction{side, &right, true})
	}
}

// counts reports whether a correction is of a side's sums.
func (c *correction) counts(side string) bool {
	return c.side == side && c.tx.Outcome == uint8(chain.OK) && !c.tx.Unread && !c.tx.Stray && (side == SideV10 || portable(c.tx.Asset))
}

// correct makes a side's sums what they would be with the right rows.
func (c *correction) correct(side string, s *Sketch) {
	switch {
	case !c.counts(side):
	case c.add:
		c.tx.each(s.Add, s.Take)
	default:
		c.tx.each(s.Take, s.Add)
	}
}

func touches(b *Buckets, cells []uint64) bool {
	return b != nil && slices.ContainsFunc(cells, b.Has)
}

// Confirm returns what was found both times: what a ledger was still at work on is gone by the second. Of a kind that has more than are
// kept, as many are confirmed as were found each time.
func Confirm(first, second *Findings) *Findings {
	both := &Findings{count: map[string]uint64{}, seen: map[string]bool{}}
	for _, f := range second.Kept() {
		if first.has(f.id()) {
			both.Add(f)
		}
	}
	for _, c := range second.Counts() {
		if before := first.of(c.Kind); min(before, c.Count) > KeptPerKindMax {
			both.count[c.Kind] = min(before, c.Count)
		}
	}
	return both
}

func (fs *Findings) has(id string) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.seen[id]
}

func (fs *Findings) of(kind string) uint64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.count[kind]
}
