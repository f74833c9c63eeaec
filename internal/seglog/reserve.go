// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// plan is, in a log with Options.Reserve, where the record that is appended next will lie. It runs ahead of the writer by what is queued, and comes to the
// same places, because both fill a segment as far as records fit.
type plan struct {
	off   int64 // behind the last record taken over
	size  int64 // of that segment; 0 before the first
	ahead int   // ready segments behind the writer's that queued records need
}

// reserve gives a record of n bytes its place in a segment that is ready, if Options.Reserve asks for that. While one is
// being made ready it waits, with mu given up; if none can be made it refuses. The caller holds mu.
func (l *Log) reserve(ctx context.Context, n int64) error {
	var stop func() bool
	for {
		if err := l.refusalLocked(); err != nil {
			return err
		}
		if !l.opts.Reserve || l.fit(n) {
			return nil
		}
		if l.prepErr != nil {
			return l.noSegment()
		}
		if ctx.Err() != nil {
			return fault.Wrap(fault.TryLater, ctx.Err(), "a segment is being made ready")
		}
		if stop == nil {
			stop = context.AfterFunc(ctx, func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.room.Broadcast()
			})
			defer stop()
		}
		l.hurry.Store(true)
		l.prep.Signal()
		l.room.Wait()
	}
}

// fit moves the plan on by a record of n bytes if there is a place for it. The caller holds mu.
func (l *Log) fit(n int64) bool {
	p := &l.plan
	switch {
	case p.off+n <= p.size:
		p.off += n
	case l.ready() > p.ahead:
		p.ahead++
		p.off, p.size = PageBytes+n, l.opts.SegmentBytes
	default:
		return false
	}
	return true
}

// RoomBytes is how much a log with Options.Reserve takes before another segment must be made ready, and why the last one
// could not be. Records that do not fill a segment to its end take more than their bytes.
func (l *Log) RoomBytes() (n int64, prepareErr error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plan.size - l.plan.off + int64(l.ready()-l.plan.ahead)*(l.opts.SegmentBytes-PageBytes), l.prepErr
}
