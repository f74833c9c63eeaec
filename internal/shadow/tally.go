// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/router"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/internal/v10diff"
)

// Why a request cannot be compared.
type unfit uint8

const (
	unfitWrite     unfit = iota // it is no read
	unfitUnknown                // the dialect does not know it
	unfitStream                 // its answer has no end
	unfitOwn                    // it names what only one ledger has
	unfitOversized              // its target is too long
	unfitMalformed              // it does not say what was asked
	unfitsMax      = iota
)

func (u unfit) String() string {
	return [...]string{"write", "unknown", "stream", "own", "oversized", "malformed"}[u%unfitsMax]
}

// endpoint counts the reads of one endpoint.
type endpoint struct {
	name    string
	offered atomic.Uint64
	counts  Counts // guarded by the tally; Offered is not kept here
}

// offer counts a read, and says whether the sample has it: the first one of each endpoint, and then one whenever the share has come together.
func (e *endpoint) offer(shareBP int) bool {
	n := e.offered.Add(1) - 1
	share := uint64(shareBP)
	return n == 0 || n*share/wholeBP != (n-1)*share/wholeBP
}

type classOf struct {
	row, field string
	kind       v10diff.Kind
}

// tally gathers a report.
type tally struct {
	started   time.Time
	endpoints map[*v10.Endpoint]*endpoint // all there are
	unfits    [unfitsMax]atomic.Uint64

	mu      sync.Mutex // guards what follows, and the counts of endpoints
	silents map[string]uint64
	classes map[classOf]*Mismatch
	more    uint64
}

func newTally(now time.Time) *tally {
	t := &tally{started: now, endpoints: map[*v10.Endpoint]*endpoint{}, silents: map[string]uint64{}, classes: map[classOf]*Mismatch{}}
	all := v10.Endpoints()
	for i := range all {
		t.endpoints[&all[i]] = &endpoint{name: all[i].Method + " " + all[i].Path}
	}
	return t
}

// unfit counts a request of which there is nothing to compare.
func (t *tally) unfit(why unfit) *endpoint {
	t.unfits[why].Add(1)
	return nil
}

// sampled counts a read of the sample.
func (t *tally) sampled(e *endpoint, queued bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.counts.Sampled++
	if !queued {
		e.counts.Dropped++
	}
}

// silent counts a read that one side has not answered.
func (t *tally) silent(e *endpoint, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.counts.Unanswered++
	t.silents[why]++
}

// compared counts a comparison, and returns the classes of mismatches that it is the first of.
func (t *tally) compared(r *read, class, path string, found []v10diff.Difference, now time.Time) (fresh []Mismatch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &r.endpoint.counts
	c.Compared++
	switch class {
	case router.ComparedEqual:
		c.Equal++
	case router.ComparedLate:
		c.Late++
	case router.ComparedNoise:
		c.Noise++
	case router.ComparedDiffers:
		c.Differs++
	}
	for _, d := range found {
		key := classOf{r.endpoint.name, d.Field, d.Kind}
		m := t.classes[key]
		if m == nil {
			if len(t.classes) == classesMax {
				t.more++
				continue
			}
			m = &Mismatch{Row: key.row, Field: d.Field, Kind: d.Kind, Example: Example{
				AtMs: uint64(now.UnixMilli()), ID: r.id, Path: path, Side: r.way.Side.String(), Home: shown(&d, d.A), Other: shown(&d, d.B),
			}}
			t.classes[key] = m
			fresh = append(fresh, *m)
		}
		m.Count++
	}
	return fresh
}

// counts are all endpoints' together.
func (t *tally) counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all Counts
	for _, e := range t.endpoints {
		all.add(e.now())
	}
	return all
}

// now is what an endpoint has counted. The tally is locked.
func (e *endpoint) now() Counts {
	c := e.counts
	c.Offered = e.offered.Load()
	return c
}

func (c *Counts) add(o Counts) {
	c.Offered += o.Offered
	c.Sampled += o.Sampled
	c.Dropped += o.Dropped
	c.Compared += o.Compared
	c.Equal += o.Equal
	c.Late += o.Late
	c.Noise += o.Noise
	c.Differs += o.Differs
	c.Unanswered += o.Unanswered
}

func (t *tally) report() *Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &Report{
		StartedMs: uint64(t.started.UnixMilli()), Unfit: map[string]uint64{}, Silent: maps.Clone(t.silents), Endpoints: []Endpoint{}, Mismatches: []Mismatch{},
		More: t.more,
	}
	for _, e := range t.endpoints {
		if c := e.now(); c.Offered > 0 {
			r.add(c)
			r.Endpoints = append(r.Endpoints, Endpoint{e.name, c})
		}
	}
	for why := range unfit(unfitsMax) {
		r.Unfit[why.String()] = t.unfits[why].Load()
	}
	for _, m := range t.classes {
		r.Mismatches = append(r.Mismatches, *m)
	}
	slices.SortFunc(r.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.Row, b.Row) })
	slices.SortFunc(r.Mismatches, func(a, b Mismatch) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Row, b.Row), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Kind, b.Kind))
	})
	return r
}
