// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// TestRateBounds: whatever steps are taken, no span of two seconds and more has more than its bound and a step.
func TestRateBounds(t *testing.T) {
	for _, bound := range []uint64{1, 7, 100, 5000} {
		synctest.Test(t, func(t *testing.T) {
			r := NewRate()
			r.Set(bound)
			begin, taken := time.Now(), 0
			for time.Since(begin) < 10*time.Second {
				n := 1 + rand.IntN(r.Most(4096))
				if err := r.Take(t.Context(), n); err != nil {
					t.Fatal(err)
				}
				taken += n
			}
			want := bound * 10
			if got := uint64(taken); got > want+want/5+2 || got < want-want/5 {
				t.Errorf("%d in 10 s at %d a second", taken, bound)
			}
		})
	}
}

// TestRateChanges: who waits at a low bound goes on at once when it is lifted, and ends with its context.
func TestRateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate()
		if r.Most(4096) != 4096 || r.Take(t.Context(), 1_000_000) != nil {
			t.Error("it is bound from the start")
		}
		r.Set(1)
		if err := r.Take(t.Context(), 1000); err != nil { // overdrawn by 1000 seconds
			t.Fatal(err)
		}
		begin, done := time.Now(), make(chan error)
		go func() { done <- r.Take(t.Context(), 1) }()
		synctest.Wait()
		r.Set(0)
		if err := <-done; err != nil || time.Since(begin) != 0 {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		r.Set(1)
		_ = r.Take(t.Context(), 1000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Take(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func at(major uint64) envelope.Position { return envelope.Position{Major: major} }

func TestLag(t *testing.T) {
	var l Lag
	now := time.UnixMilli(1_000_000)
	if l.Now(now) != -1 {
		t.Error(l.Now(now))
	}
	if _, _, n := l.Figures(now); n != 0 {
		t.Error(n)
	}
	ms := func(d time.Duration) uint64 { return uint64(now.Add(d).UnixMilli()) }
	l.Note(now, at(5), ms(0), at(4)) // not reached yet
	now = now.Add(300 * time.Millisecond)
	l.Note(now, at(9), ms(0), at(5)) // that of before is, this one is not
	if l.Now(now) != 300*time.Millisecond || l.Stated() != at(9) {
		t.Error(l.Now(now), l.Stated())
	}
	if p50, p99, n := l.Figures(now); n != 1 || p50 != 300*time.Millisecond || p99 != p50 {
		t.Error(p50, p99, n)
	}
	for range 99 { // at once
		now = now.Add(time.Second)
		l.Note(now, at(9), ms(-10*time.Millisecond), at(9))
	}
	if p50, p99, n := l.Figures(now); n != 101 || p50 != 10*time.Millisecond || p99 > 300*time.Millisecond || p99 < p50 {
		t.Error(p50, p99, n)
	}
	l.Note(now, at(9), ms(-10*time.Millisecond), at(9)) // the same heart-beat is no new sample
	if _, _, n := l.Figures(now); n != 101 {
		t.Error(n)
	}
	if _, _, n := l.Figures(now.Add(LagWindow + time.Second)); n != 0 {
		t.Error("old samples count", n)
	}
	for range 2 * LagSamples {
		now = now.Add(time.Millisecond)
		l.Note(now, at(9), ms(0), at(9))
	}
	if _, _, n := l.Figures(now); n != LagSamples {
		t.Error(n)
	}
}

// TestLagOfAnotherClock: where the other side's clock is ahead, what stands is late all the same; where it is behind, nothing looks less late than it is.
func TestLagOfAnotherClock(t *testing.T) {
	for _, ahead := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute} {
		var l Lag
		now := time.UnixMilli(1_000_000_000)
		l.Note(now, at(5), uint64(now.Add(ahead).UnixMilli()), at(5))
		now = now.Add(40 * time.Second)
		l.Note(now, at(9), uint64(now.Add(ahead).UnixMilli()), at(5)) // V10 goes on, and nothing is applied
		if late := l.Now(now); late < 40*time.Second || late != 40*time.Second+max(0, -ahead) {
			t.Errorf("with a clock that is %s ahead: %s", ahead, late)
		}
		l.Note(now, at(9), uint64(now.Add(ahead).UnixMilli()), at(9))
		if late := l.Now(now); late != max(0, -ahead) {
			t.Errorf("with a clock that is %s ahead, at once: %s", ahead, late)
		}
	}
}

// TestAwait: the letter is there before the hold is told; brokers that are away do not lose the hold, and get the letter later.
func TestAwait(t *testing.T) {
	for name, c := range map[string]struct {
		refusals int           // of the letter
		ends     time.Duration // when somebody passes over it
		told     []bool
	}{
		"at once":   {0, 3500 * time.Millisecond, []bool{true}},
		"later":     {2, 3500 * time.Millisecond, []bool{false, true}},
		"never":     {1000, 3500 * time.Millisecond, []bool{false}},
		"hanging":   {-1, 20 * time.Second, []bool{false}},
		"and retry": {0, 0, []bool{true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []bool
				tried, begin := 0, time.Now()
				retry := make(chan struct{}, 1)
				if c.ends == 0 {
					retry <- struct{}{}
				}
				Await(t.Context(), Wait{
					Park: func(ctx context.Context) error {
						tried++
						if c.refusals < 0 {
							<-ctx.Done()
							return ctx.Err()
						}
						if tried <= c.refusals {
							return errors.New("no broker")
						}
						return nil
					},
					Told:   func(parked bool) { told = append(told, parked) },
					Retry:  retry,
					Passed: func(context.Context) bool { return c.ends > 0 && time.Since(begin) >= c.ends },
				})
				if len(told) != len(c.told) || told[len(told)-1] != c.told[len(c.told)-1] || tried == 0 {
					t.Errorf("told %v, tried %d times", told, tried)
				}
			})
		})
	}
}

func TestFlow(t *testing.T) {
	var f Flow
	now := time.Unix(1000, 0)
	for range 20 {
		f.Add(now, 50)
		now = now.Add(500 * time.Millisecond)
	}
	if got := f.PerSecond(now); got != 100 {
		t.Error(got)
	}
	if got := f.PerSecond(now.Add(time.Minute)); got != 0 {
		t.Error(got)
	}
}

func TestSetRate(t *testing.T) {
	r := NewRate()
	if err := SetRate(r, "v10", "apply.v10", 5); err != nil || r.PerSecond() != 5 {
		t.Error(err)
	}
	for _, err := range []error{SetRate(r, "v10", "apply.v11", 5), SetRate(r, "v10", "apply.v10", RateMax+1)} {
		if !fault.Is(err, fault.Invalid) || r.PerSecond() != 5 {
			t.Error(err)
		}
	}
}
