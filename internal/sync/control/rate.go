// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"sync"
	"time"
)

// RateMax bounds what a rate may be set to, in changes a second.
const RateMax = 100_000_000

// rateSteps is into how many steps a second of a bounded rate is divided.
const rateSteps = 10

// Rate bounds changes a second. It is safe for any number of goroutines.
type Rate struct {
	mu        sync.Mutex
	bucket    bucket
	changed   chan struct{} // closed when the bound changes
	perSecond uint64        // 0: no bound
}

// NewRate makes one without a bound.
func NewRate() *Rate { return &Rate{changed: make(chan struct{})} }

// Set bounds the rate, at once; 0: no bound.
func (r *Rate) Set(perSecond uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.perSecond, r.bucket = perSecond, bucket{}
	close(r.changed)
	r.changed = make(chan struct{})
}

// PerSecond is the bound; 0: there is none.
func (r *Rate) PerSecond() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.perSecond
}

// Most is how many of at most n to take in one step, so that a bounded rate flows and does not come in lumps.
func (r *Rate) Most(n int) int {
	bound := r.PerSecond()
	if bound == 0 {
		return n
	}
	return min(n, max(1, int(min(bound, RateMax))/rateSteps))
}

// Take takes n, and waits until they are within the bound. An error is that of ctx.
func (r *Rate) Take(ctx context.Context, n int) error {
	for {
		wait, changed := r.try(n)
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// try takes n, or says how long to wait and what ends the wait early.
func (r *Rate) try(n int) (time.Duration, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.perSecond == 0 {
		return 0, nil
	}
	return r.bucket.take(time.Now(), float64(r.perSecond), n), r.changed
}

// bucket fills by a rate up to one step's worth. It may be overdrawn by one step: who comes next waits until it is even again.
type bucket struct {
	level float64
	at    time.Time // zero: never used
}

// take takes n, or returns how long to wait before asking again.
func (b *bucket) take(now time.Time, perSecond float64, n int) time.Duration {
	if !b.at.IsZero() {
		b.level = min(b.level+perSecond*now.Sub(b.at).Seconds(), perSecond/rateSteps)
	}
	b.at = now
	if b.level < 0 {
		return time.Duration(-b.level/perSecond*float64(time.Second)) + time.Nanosecond
	}
	b.level -= float64(n)
	return 0
}
