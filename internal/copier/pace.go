// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// Bounds of a governor.
const (
	probeEvery    = 250 * time.Millisecond
	probeMax      = 5 * time.Second
	shareMin      = 1.0 / 256 // of the time that it may work
	shareLess     = 0.5       // after an answer that took too long
	shareMore     = 0.05      // after one that did not
	burst         = 100 * time.Millisecond
	latencyWeight = 0.3 // of the newest answer in the mean
)

// governor says how long to wait before the next rows: by a rate, and by the share of the time that V10's latency leaves to the copy. It
// has no clock. Its share falls by half when an answer is late and rises by little steps, so it settles where V10 is just fast enough.
type governor struct {
	rate       float64       // rows a second; 0: no bound
	latencyMax time.Duration // 0: no bound

	share   float64
	latency time.Duration // mean of the last few
	next    time.Time     // when the next rows may be read
	last    time.Time     // when rows were read last
}

func newGovernor(p Pace) *governor {
	return &governor{rate: p.RowsPerSecond, latencyMax: p.LatencyMax, share: 1}
}

// answered takes note of how long V10 took.
func (g *governor) answered(took time.Duration) {
	if g.latency == 0 {
		g.latency = took
	}
	g.latency += time.Duration(latencyWeight * float64(took-g.latency))
	if g.latencyMax == 0 {
		return
	}
	if g.latency > g.latencyMax {
		g.share = max(shareMin, g.share*shareLess)
	} else {
		g.share = min(1, g.share+shareMore)
	}
}

// wait is how long to wait before so many rows are read, now. The work since the last call may take share of the time.
func (g *governor) wait(now time.Time, rows int) time.Duration {
	var pause time.Duration
	if g.rate > 0 {
		if g.next.Before(now.Add(-burst)) {
			g.next = now.Add(-burst)
		}
		g.next = g.next.Add(time.Duration(float64(rows) / g.rate * float64(time.Second)))
		pause = max(0, g.next.Sub(now))
	}
	if g.share < 1 && !g.last.IsZero() {
		worked := min(max(now.Sub(g.last), time.Millisecond), time.Second)
		pause = max(pause, time.Duration(float64(worked)*(1-g.share)/g.share))
	}
	g.last = now.Add(pause)
	return pause
}

// throttle is a governor that waits, shared by all who read rows.
type throttle struct {
	mu sync.Mutex // guards all below
	g  *governor
}

// take waits until rows may be read.
func (t *throttle) take(ctx context.Context, rows int) error {
	t.mu.Lock()
	d := t.g.wait(time.Now(), rows)
	t.mu.Unlock()
	return pause(ctx, d)
}

// seen is the mean latency of V10, and the share that it leaves to the copy.
func (t *throttle) seen() (time.Duration, float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.g.latency, t.g.share
}

// probe asks V10 again and again how long it takes, until ctx ends. One that does not answer is late.
func (t *throttle) probe(ctx context.Context, client *http.Client, url string) {
	ticks := time.NewTicker(probeEvery)
	defer ticks.Stop()
	for {
		took := ask(ctx, client, url)
		if ctx.Err() != nil {
			return
		}
		t.mu.Lock()
		t.g.answered(took)
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

func ask(ctx context.Context, client *http.Client, url string) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, probeMax)
	defer cancel()
	began := time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return probeMax
	}
	answer, err := client.Do(r)
	if err != nil {
		return probeMax
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)); err != nil {
		return probeMax
	}
	return time.Since(began)
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
