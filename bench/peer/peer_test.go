// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fake confirms two transfers every 10 ms, each after 10 ms; it refuses one in between.
type fake struct{ startErr, loadErr, stopErr error }

func (f fake) Start(context.Context, string) error { return f.startErr }
func (f fake) PIDs() []int                         { return []int{os.Getpid()} }
func (f fake) Commands() []string                  { return []string{"fake --durable"} }
func (f fake) Stop() error                         { return f.stopErr }

func (f fake) Load(ctx context.Context, tally *Tally) error {
	for f.loadErr == nil {
		asked := time.Now()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Millisecond):
		}
		tally.Done(2, asked)
		tally.Refused(1, "full")
	}
	return f.loadErr
}

func TestMeasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, commands, err := ClosedLoop{fake{}}.Measure(t.Context(), "", Window{105 * time.Millisecond, time.Second})
		if err != nil {
			t.Fatal(err)
		}
		// What was confirmed in the warm-up and after the window does not count.
		if s.TransfersPerS != 200 || s.Refused["full"] != 100 {
			t.Errorf("%v a second, %v refused; want 200 and 100", s.TransfersPerS, s.Refused)
		}
		if s.P50Ms != 10 || s.P99Ms != 10 {
			t.Errorf("p50 %v, p99 %v ms; want 10", s.P50Ms, s.P99Ms)
		}
		if len(commands) != 1 || s.RSSMBTotal == 0 {
			t.Errorf("commands %v, resident %v MB", commands, s.RSSMBTotal)
		}
	})
}

func TestMeasureFails(t *testing.T) {
	broken := errors.New("broken")
	for name, f := range map[string]fake{"start": {startErr: broken}, "load": {loadErr: broken}, "stop": {stopErr: broken}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, _, err := ClosedLoop{f}.Measure(t.Context(), "", Window{time.Second, time.Second})
				if !errors.Is(err, broken) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestNothingConfirmedIsNoResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, err := ClosedLoop{fake{}}.Measure(t.Context(), "", Window{time.Millisecond, time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), "not one transfer") {
			t.Errorf("got %v", err)
		}
	})
}

func TestPercentile(t *testing.T) {
	var c Counted
	if got := c.Percentile(0.99); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for i := range 100 {
		c.latencies = append(c.latencies, time.Duration(i+1)*time.Millisecond)
	}
	for p, want := range map[float64]float64{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := c.Percentile(p); got != want {
			t.Errorf("percentile %v is %v ms, want %v", p, got, want)
		}
	}
}

func TestReasonsAreBounded(t *testing.T) {
	tally := NewTally()
	tally.Refused(1, "before the window")
	tally.Open()
	for i := range 3 * reasonsMax {
		tally.Refused(2, fmt.Sprint(i))
	}
	refused, sum := tally.Close().Refused, 0
	for _, n := range refused {
		sum += n
	}
	if len(refused) != reasonsMax+1 || sum != 6*reasonsMax {
		t.Errorf("%d reasons with %d in all: %v", len(refused), sum, refused)
	}
}
