// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// TestWatch: one watch runs while slots may be on both sides, also when the lease was lost and taken again, and none after the controller's end. What
// it confirms goes back to nothing, and does so once.
func TestWatch(t *testing.T) {
	onStage(t, func(s *stage) {
		var running, most, begun atomic.Int64
		confirm := make(chan uint64)
		watch := func(ctx context.Context, tell func(uint64)) error {
			begun.Add(1)
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			for {
				select {
				case n := <-confirm:
					tell(n)
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		var asleep atomic.Bool
		s.world.looks = func() {
			if asleep.CompareAndSwap(true, false) {
				await(context.Background(), nil, 5*LeaseDefault)
			}
		}
		ctx, cancel := context.WithCancel(s.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- Run(ctx, Config{Journal: s.journal, World: s.world, Watch: watch, Holder: "a"})
		}()
		s.begin(strings.Replace(planText, "{weight_bp: 2500, minimum_seconds: 1, ", "{weight_bp: 2500, minimum_seconds: 1000000, ", 1))
		s.untilAt(2500)
		asleep.Store(true)
		s.until("another watch", func() bool { return begun.Load() == 2 })
		confirm <- 2
		s.until("a way back", func() bool { return s.state().Reversed != nil && s.world.now() == 0 })
		state := s.state()
		if state.Reversed.ToBP != 0 || !strings.Contains(state.Reversed.Why, "2 differences") || most.Load() != 1 {
			s.Errorf("reversed %+v, %d watches at once", state.Reversed, most.Load())
		}
		s.want(migration.Entry{Kind: migration.KindResume})
		s.untilAt(2500)
		if state := s.state(); state.AutoRollbacks != 1 {
			s.Errorf("it went back %d times", state.AutoRollbacks)
		}
		cancel()
		if err := <-ended; err != nil || running.Load() != 0 {
			s.Errorf("%v, and %d watches go on", err, running.Load())
		}
	})
}

// TestWatchAway: while nobody can watch, no second step begins: the first may have, before that was known. A watch that begins again and has
// compared nothing is none.
func TestWatchAway(t *testing.T) {
	onStage(t, func(s *stage) {
		var well, begun atomic.Bool
		watch := func(ctx context.Context, tell func(uint64)) error {
			if !well.Load() {
				if begun.Swap(true) {
					await(ctx, nil, time.Second)
				}
				return fault.New(fault.Unavailable, "a log cannot be read")
			}
			tell(0)
			<-ctx.Done()
			return ctx.Err()
		}
		ctx, cancel := context.WithCancel(s.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- Run(ctx, Config{Journal: s.journal, World: s.world, Watch: watch, Holder: "a"})
		}()
		s.begin(planText)
		s.until("the canary", func() bool { return s.state().Phase == migration.Canary })
		await(s.Context(), nil, time.Minute)
		if bp := s.world.now(); bp > 100 {
			s.Errorf("V11 has %d bp, and nobody watches", bp)
		}
		well.Store(true)
		s.untilAt(2500)
		cancel()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	})
}
