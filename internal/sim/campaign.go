// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Report is what came of many runs.
type Report struct {
	Seeds  uint64         `json:"seeds"`
	Failed []uint64       `json:"failed"` // their seeds
	Blocks int            `json:"blocks"` // certified heights
	Faults map[string]int `json:"faults"` // by kind, all kinds
	Seen   map[string]int `json:"seen"`   // the rarer paths that were taken
	Misled int            `json:"misled"` // runs in which a liar lied to the ordering engine as its leader: progress is not promised there
	HealMs int64          `json:"heal_ms_max"`
	Repeat []string       `json:"repeat,omitempty"` // command lines, one for each failed seed that was shrunk
}

// NewReport is a report of no run.
func NewReport() *Report {
	return &Report{Failed: []uint64{}, Faults: countKinds(), Seen: map[string]int{}}
}

// Add counts a run.
func (r *Report) Add(x *Result) {
	r.Seeds++
	r.Blocks += x.Blocks
	for kind, n := range x.Faults {
		r.Faults[kind] += n
	}
	for what, n := range x.Seen {
		r.Seen[what] += n
	}
	if x.Misled {
		r.Misled++
	} else {
		r.HealMs = max(r.HealMs, x.HealMs)
	}
	if x.Failure != nil {
		r.Failed = append(r.Failed, x.Seed)
	}
}

// Merge adds a report of other runs.
func (r *Report) Merge(o *Report) {
	r.Seeds += o.Seeds
	r.Blocks += o.Blocks
	for kind, n := range o.Faults {
		r.Faults[kind] += n
	}
	for what, n := range o.Seen {
		r.Seen[what] += n
	}
	r.Misled += o.Misled
	r.HealMs = max(r.HealMs, o.HealMs)
	r.Failed = append(r.Failed, o.Failed...)
	r.Repeat = append(r.Repeat, o.Repeat...)
	slices.Sort(r.Failed)
}

const (
	chunkSeeds  = 5 // that a worker is given at a time
	roundChunks = 4 // of each worker, until progress is noted
)

// Campaign is a range of seeds that workers share. The ordering library draws its jitter from a variable of the process,
// so a process makes one run at a time, and each worker is a process of its own.
type Campaign struct {
	First, Seeds uint64
	Jobs         int
	// Work makes the runs of a range in another process. Seeds of an error count as failed, once they were tried alone.
	Work func(ctx context.Context, first, seeds uint64) (*Report, error)
	// Progress is told how many seeds are done, by several goroutines.
	Progress func(done, total uint64)
	// Resume is a file in which the campaign notes how far it is, and from which it goes on; empty: none.
	Resume string
}

// progress is what Resume holds.
type progress struct {
	First  uint64  `json:"first"`
	Total  uint64  `json:"total"`
	Next   uint64  `json:"next"` // the first seed that is not in the report
	Report *Report `json:"report"`
}

// Run runs all seeds, or goes on with those that are left. When ctx ends, what is done is in the file.
func (c *Campaign) Run(ctx context.Context) (*Report, error) {
	at, err := c.load()
	if err != nil {
		return nil, err
	}
	end := c.First + c.Seeds
	for at.Next < end && err == nil {
		err = c.round(ctx, at, min(at.Next+chunkSeeds*roundChunks*uint64(c.Jobs), end))
	}
	return at.Report, err
}

// round gives each worker a chunk and adds what they found, in the order of the seeds.
func (c *Campaign) round(ctx context.Context, at *progress, end uint64) error {
	chunks := (end - at.Next + chunkSeeds - 1) / chunkSeeds
	reports := make([]*Report, chunks)
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(c.Jobs)
	var done atomic.Uint64
	done.Store(at.Next - c.First)
	for i := range reports {
		first := at.Next + uint64(i)*chunkSeeds
		group.Go(func() (err error) {
			seeds := min(chunkSeeds, end-first)
			reports[i], err = c.chunk(working, first, seeds)
			c.Progress(done.Add(seeds), c.Seeds)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, r := range reports {
		at.Report.Merge(r)
	}
	at.Next = end
	return c.save(at)
}

// chunk runs some seeds in a worker; if it dies of one, each is tried alone.
func (c *Campaign) chunk(ctx context.Context, first, seeds uint64) (*Report, error) {
	r, err := c.Work(ctx, first, seeds)
	if err == nil || ctx.Err() != nil {
		return r, ctx.Err()
	}
	all := NewReport()
	for seed := first; seed < first+seeds; seed++ {
		r, err := c.Work(ctx, seed, 1)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r = NewReport()
			r.Seeds, r.Failed = 1, []uint64{seed}
		}
		all.Merge(r)
	}
	return all, nil
}

func (c *Campaign) load() (*progress, error) {
	at := &progress{First: c.First, Total: c.Seeds, Next: c.First, Report: NewReport()}
	if c.Resume == "" {
		return at, nil
	}
	raw, err := os.ReadFile(c.Resume)
	if errors.Is(err, fs.ErrNotExist) {
		return at, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read how far the simulation is")
	}
	found := progress{Report: NewReport()}
	if json.Unmarshal(raw, &found) != nil || found.First != c.First || found.Next < found.First {
		return nil, fault.New(fault.Conflict, "%s is not of a simulation from seed %d on: remove it, or name another file", c.Resume, c.First)
	}
	found.Total = c.Seeds
	return &found, nil
}

// save replaces the file as a whole, so that a crash leaves the one before.
func (c *Campaign) save(at *progress) error {
	if c.Resume == "" {
		return nil
	}
	raw, err := json.Marshal(at)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode how far the simulation is")
	}
	temporary := filepath.Join(filepath.Dir(c.Resume), "."+filepath.Base(c.Resume)+".new")
	if err := os.WriteFile(temporary, raw, 0o600); err != nil {
		return fault.Wrap(fault.Unavailable, err, "note how far the simulation is")
	}
	return fault.Wrap(fault.Unavailable, os.Rename(temporary, c.Resume), "note how far the simulation is")
}
