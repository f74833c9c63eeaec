// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// servedParts is into how many parts the time of an availability is divided: the oldest part falls out whole.
const servedParts = 1000

// served sums up the windows of the plan's availability.
type served struct {
	overMs uint64
	parts  []servedPart // oldest first
}

type servedPart struct {
	fromMs, toMs     uint64
	knownMs          uint64
	requests, failed uint64
}

// add takes a window in, which ended behind the others.
func (s *served) add(w *journal.Window) {
	if s.overMs == 0 {
		return
	}
	p := servedPart{w.AtMs - min(w.LengthMs, w.AtMs), w.AtMs, w.LengthMs, w.Requests[0] + w.Requests[1], w.Errors[0] + w.Errors[1]}
	if n := len(s.parts); n > 0 && p.toMs <= s.parts[n-1].fromMs+s.overMs/servedParts {
		last := &s.parts[n-1]
		p.fromMs, p.knownMs, p.requests, p.failed = last.fromMs, p.knownMs+last.knownMs, p.requests+last.requests, p.failed+last.failed
		*last = p
		return
	}
	s.parts = append(s.parts, p)
}

// facts are those of the time before now. What is older is forgotten.
func (s *served) facts(nowMs uint64) (f migration.ServedFacts) {
	for len(s.parts) > 0 && s.parts[0].toMs+s.overMs < nowMs {
		s.parts = s.parts[1:]
	}
	for _, p := range s.parts {
		f.KnownMs, f.Requests, f.Failed = f.KnownMs+p.knownMs, f.Requests+p.requests, f.Failed+p.failed
	}
	f.KnownMs = min(f.KnownMs, s.overMs)
	return f
}

// readServed sums up a journal's windows.
func readServed(ctx context.Context, j journal.Journal, p *migration.AvailabilityPlan) (s served, err error) {
	s.overMs = uint64(p.OverSeconds) * 1000
	if s.overMs == 0 {
		return s, nil
	}
	windows, err := j.Windows(ctx)
	for i := range windows {
		s.add(&windows[i])
	}
	return s, err
}

// ReadServed reads the facts of availability out of a journal, for who wants to show them.
func ReadServed(ctx context.Context, j journal.Journal, p *migration.AvailabilityPlan, nowMs uint64) (migration.ServedFacts, error) {
	s, err := readServed(ctx, j, p)
	return s.facts(nowMs), err
}

// askServed fills in the facts of availability. What was served before this driver, or under another plan, the journal tells.
func (d *driver) askServed(ctx context.Context, f *migration.Facts) {
	want := &d.state.Plan.Availability
	if d.served.overMs != uint64(want.OverSeconds)*1000 {
		var err error
		if d.served, err = readServed(ctx, d.cfg.Journal, want); err != nil && ctx.Err() == nil {
			d.cfg.Log.Warn("what was served before now is not known", obs.KeyErr, err.Error())
		}
	}
	f.Served = d.served.facts(f.NowMs)
}
