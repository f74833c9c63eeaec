// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"maps"
	"slices"
)

// Bounds of a comparison.
const (
	// IntervalsMax is how many intervals between barriers are under way at once.
	IntervalsMax = 4
	// WindowMax is how many rows without a counterpart are known by their ids.
	WindowMax = 1 << 16
	// NamedMax is how many differences one report names; all are counted.
	NamedMax = 1000
	// aheadMax is how many barriers of block time one log may be ahead of the other: more is a time that was made up.
	aheadMax = 3600_000 / SlotMs
)

// Side is one of the two logs of an origin.
type Side uint8

// The sides.
const (
	Executed Side = iota // the log of the ledger that executed the rows
	Applied              // the other ledger's
)

// Class is what is wrong with a row.
type Class string

// The classes.
const (
	Missing   Class = "missing"         // executed, and not applied
	Extra     Class = "extra"           // applied, and never executed
	Doubled   Class = "doubled"         // applied more often than executed
	Repeated  Class = "repeated"        // executed more often than applied: the origin's log has it again
	Differs   Class = "differs"         // both have it, and it says something else
	InBucket  Class = "bucket"          // rows of the bucket differ, and which ones is no longer known
	NoBarrier Class = "barrier_missing" // a side's log lacks one
	Deleted   Class = "deleted"         // the log says that the row was taken away, which nobody does
	Unread    Class = "unreadable"      // the row does not say what its kind does
	WrongMark Class = "wrong_mark"      // the row was written as if by the other ledger
	Stray     Class = "stray_write"     // balances or accounts changed in a write without a round
)

// Difference is a row, or a bucket, in which the sides differ.
type Difference struct {
	Class  Class  `json:"class"`
	ID     string `json:"id,omitempty"`
	Bucket uint16 `json:"bucket"`
}

// Verdict is the outcome of a barrier.
type Verdict struct {
	Origin    string       `json:"origin"`
	Barrier   uint64       `json:"barrier"`            // V10's by its number, V11's by its place among all since 1970
	UpToMs    uint64       `json:"up_to_ms,omitempty"` // V11's: block time at which it lies
	Equal     bool         `json:"equal"`
	Buckets   int          `json:"buckets"` // that are equal, of BucketCount
	Executed  uint64       `json:"rows_executed"`
	Applied   uint64       `json:"rows_applied"`
	Reordered uint64       `json:"reordered"` // rows that crossed the barrier before and have their counterpart now
	Maybe     uint64       `json:"maybe"`
	Confirmed uint64       `json:"confirmed"` // by this barrier
	Standing  uint64       `json:"standing"`  // confirmed earlier and still there
	Named     []Difference `json:"differences,omitempty"`
}

// interval is what lies between two barriers, or between more if the sides are far apart.
type interval struct {
	upTo  uint64 // its barrier
	cells []cell
	rows  [2]uint64
}

// unmatched is a row that one side has, or that the sides have differently.
type unmatched struct {
	label     uint64
	bucket    uint16
	count     [2]int32
	sum       [2]sum
	suspected bool // at a barrier
	confirmed bool
	again     bool // a pair of this id was matched before
}

func (u *unmatched) class() Class {
	executed, applied := u.count[Executed], u.count[Applied]
	switch {
	case executed == applied:
		return Differs
	case executed > applied && (applied > 0 || u.again):
		return Repeated
	case executed > applied:
		return Missing
	case executed > 0 || u.again:
		return Doubled
	}
	return Extra
}

// comparison compares the two sides of one origin. It is pure; one goroutine uses it.
type comparison struct {
	origin      Origin
	consecutive bool // barriers are numbered without gaps
	hash        hasher
	total       []cell     // of all intervals that were compared
	pending     []interval // ascending
	behind      uint64     // the barrier where the run begins
	done        uint64     // the newest barrier that was compared
	blind       uint64     // up to here a counterpart may not be in the window
	started     [2]bool    // a row or barrier behind the beginning has come
	closed      [2]uint64
	window      map[ID]*unmatched
	matched     [2]map[ID]struct{} // the newest pairs, and those before: what comes again is doubled
	suspects    map[uint16]bool    // buckets that differed at the last barrier without a row to name; true: confirmed
	spare       []cell
	reordered   uint64
	found       []Difference // what a log showed by itself since the last verdict
	foundMore   uint64       // that are not kept
}

// newComparison begins behind a barrier: what lies before is not compared.
func newComparison(origin Origin, h hasher, behind uint64) *comparison {
	return &comparison{
		origin: origin, consecutive: origin == V10, hash: h, total: make([]cell, BucketCount), behind: behind, done: behind, closed: [2]uint64{behind, behind},
		window: map[ID]*unmatched{}, matched: [2]map[ID]struct{}{{}, {}}, suspects: map[uint16]bool{},
	}
}

// row takes a row of a side. Its label is that of the barrier which ends its interval.
func (c *comparison) row(side Side, label uint64, id ID, content []byte) {
	if c.started[side] = c.started[side] || label > c.behind; !c.started[side] {
		return
	}
	bucket, s := c.hash.row(&id, content)
	in := c.interval(max(label, c.done+1))
	in.rows[side]++
	add := cell{1, s}
	if side == Applied {
		add = cell{-1, s.negative()}
	}
	in.cells[bucket].add(&add)
	c.match(side, in.upTo, id, bucket, s)
}

// interval returns the one that a label belongs to.
func (c *comparison) interval(label uint64) *interval {
	i, _ := slices.BinarySearchFunc(c.pending, label, func(in interval, l uint64) int { return cmp.Compare(in.upTo, l) })
	if i < len(c.pending) {
		return &c.pending[i]
	}
	if len(c.pending) == IntervalsMax {
		last := &c.pending[IntervalsMax-1]
		last.upTo = label
		return last
	}
	cells := c.spare
	if c.spare = nil; cells == nil {
		cells = make([]cell, BucketCount)
	}
	c.pending = append(c.pending, interval{upTo: label, cells: cells})
	return &c.pending[len(c.pending)-1]
}

// match pairs a row with its counterpart. A pair needs no memory but that of having been one.
func (c *comparison) match(side Side, label uint64, id ID, bucket uint16, s sum) {
	u, known := c.window[id]
	if !known {
		if len(c.window) >= WindowMax {
			c.blind = max(c.blind, c.pending[len(c.pending)-1].upTo)
			return
		}
		u = &unmatched{label: label, bucket: bucket, again: c.wasMatched(id)}
		c.window[id] = u
	}
	u.label = max(u.label, label)
	u.count[side]++
	u.sum[side] = u.sum[side].plus(s)
	if u.count[Executed] != u.count[Applied] || u.sum[Executed] != u.sum[Applied] {
		return
	}
	if u.suspected {
		c.reordered++
	}
	delete(c.window, id)
	if len(c.matched[0]) >= WindowMax/2 {
		c.matched[0], c.matched[1] = c.matched[1], c.matched[0]
		clear(c.matched[0])
	}
	c.matched[0][id] = struct{}{}
}

// close says that a side has all rows up to a barrier, and returns what that lets be compared.
func (c *comparison) close(side Side, barrier uint64) (verdicts []Verdict) {
	if barrier <= c.closed[side] {
		return nil
	}
	if !c.consecutive && barrier > c.closed[1-side]+aheadMax {
		c.tell(&Difference{Class: Unread})
		return nil
	}
	if c.consecutive && barrier != c.closed[side]+1 {
		c.tell(&Difference{Class: NoBarrier})
	}
	c.closed[side], c.started[side] = barrier, true
	c.interval(barrier)
	for len(c.pending) > 0 && c.pending[0].upTo <= min(c.closed[Executed], c.closed[Applied]) {
		verdicts = append(verdicts, c.compare())
	}
	return verdicts
}

// tell takes a difference that needs no second barrier.
func (c *comparison) tell(d *Difference) {
	if len(c.found) >= NamedMax {
		c.foundMore++
		return
	}
	c.found = append(c.found, *d)
}

// take takes what a log says.
func (c *comparison) take(e *event) []Verdict {
	switch {
	case e.found != nil:
		c.tell(e.found)
	case e.barrier != 0:
		return c.close(e.side, e.barrier)
	default:
		c.row(e.side, e.label, e.id, e.content)
	}
	return nil
}

// compare takes the oldest interval into what was compared.
func (c *comparison) compare() Verdict {
	in := c.pending[0]
	c.pending = append(c.pending[:0], c.pending[1:]...)
	c.done = in.upTo
	v := Verdict{Origin: c.origin.String(), Barrier: in.upTo, Executed: in.rows[Executed], Applied: in.rows[Applied], Reordered: c.reordered, Buckets: BucketCount}
	c.reordered = 0
	if c.origin == V11 {
		v.UpToMs = v.Barrier * SlotMs
	}
	differ := map[uint16]bool{}
	for i := range c.total {
		c.total[i].add(&in.cells[i])
		if !c.total[i].isZero() {
			differ[uint16(i)] = true
			v.Buckets--
		}
	}
	c.nameRows(&v, differ)
	c.nameBuckets(&v, differ)
	for _, d := range c.found {
		v.name(&d)
	}
	found := uint64(len(c.found)) + c.foundMore
	v.Confirmed += found
	v.Equal = v.Buckets == BucketCount && found == 0
	c.found, c.foundMore = nil, 0
	clear(in.cells)
	c.spare = in.cells
	return v
}

// nameRows tells of the rows up to the barrier that have no counterpart, and takes their buckets as explained.
func (c *comparison) nameRows(v *Verdict, differ map[uint16]bool) {
	ids := make([]ID, 0, len(c.window))
	for id, u := range c.window {
		if u.label <= v.Barrier {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b ID) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Round, b.Round), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Ms, b.Ms))
	})
	for _, id := range ids {
		u := c.window[id]
		if _, differs := differ[u.bucket]; !differs || u.label <= c.blind {
			delete(c.window, id) // its counterpart came when there was no room for it, or may have
			continue
		}
		differ[u.bucket] = false
		switch {
		case !u.suspected:
			u.suspected = true
			v.Maybe++
		case u.confirmed:
			v.Standing++
		default:
			u.confirmed = true
			v.Confirmed++
			v.name(&Difference{u.class(), id.String(), u.bucket})
		}
	}
}

func (c *comparison) wasMatched(id ID) bool {
	_, late := c.matched[0][id]
	_, before := c.matched[1][id]
	return late || before
}

// nameBuckets tells of buckets that differ though no row is known to: there were too many to keep.
func (c *comparison) nameBuckets(v *Verdict, differ map[uint16]bool) {
	now := map[uint16]bool{}
	for _, b := range slices.Sorted(maps.Keys(differ)) {
		if !differ[b] {
			continue
		}
		confirmed, seen := c.suspects[b]
		switch now[b] = seen; {
		case !seen:
			v.Maybe++
		case confirmed:
			v.Standing++
		default:
			v.Confirmed++
			v.name(&Difference{Class: InBucket, Bucket: b})
		}
	}
	for b, confirmed := range c.suspects {
		if _, still := differ[b]; !still && !confirmed {
			v.Reordered++
		}
	}
	c.suspects = now
}

func (v *Verdict) name(d *Difference) {
	if len(v.Named) < NamedMax {
		v.Named = append(v.Named, *d)
	}
}
