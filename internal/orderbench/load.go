// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/order"
)

// sleepMax is how long the end of a load may go unheard.
const sleepMax = 50 * time.Millisecond

// load offers digests until ctx ends, as many as the meter has room for, or at a rate.
func load(ctx context.Context, e order.Engine, m *meter, rate int) error {
	runtime.LockOSThread() // a thread of its own sleeps precisely
	defer runtime.UnlockOSThread()
	pace := newPace(rate)
	for {
		due, ok := pace.next(ctx)
		if !ok {
			return nil
		}
		select {
		case m.room <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		if rate == 0 {
			due = time.Now()
		}
		// What is on its way is below the engine's bound, so it never says TryLater.
		if err := e.Offer(m.offer(due)); err != nil {
			return err
		}
	}
}

// pace says when digests are due.
type pace struct {
	interval time.Duration // 0: at once
	due      time.Time     // the next one
}

func newPace(rate int) *pace {
	p := &pace{due: time.Now()}
	if rate > 0 {
		p.interval = time.Second / time.Duration(rate)
	}
	return p
}

// next waits until the next digest is due; false if ctx ended before. It sleeps in the kernel: Go's timers wake up to a
// millisecond late, and more on a busy machine, which would count as the engine's time. No pause is long, so ctx waits.
func (p *pace) next(ctx context.Context) (due time.Time, ok bool) {
	due = p.due
	p.due = due.Add(p.interval)
	for ctx.Err() == nil {
		wait := time.Until(due)
		if p.interval == 0 || wait <= 0 {
			return due, true
		}
		left := unix.NsecToTimespec(min(wait, sleepMax).Nanoseconds())
		_ = unix.Nanosleep(&left, nil) // a signal ends it early, and it is tried again
	}
	return due, false
}
