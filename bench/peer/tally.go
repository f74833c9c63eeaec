// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"slices"
	"sync"
	"time"
)

// samplesMax bounds the latencies that are kept: 16 MB. Answers beyond it count, without a latency.
const samplesMax = 2 << 20

// reasonsMax bounds the reasons that are told apart; what is refused for others counts under reasonOther.
const (
	reasonsMax  = 16
	reasonOther = "other reasons"
)

// Tally counts answers while it is open. Methods may be called from any goroutine.
type Tally struct {
	mu      sync.Mutex
	open    bool
	since   time.Time
	now     func() time.Time
	counted Counted
}

// Counted is what a Tally saw while it was open.
type Counted struct {
	Transfers int64
	Refused   map[string]int
	Elapsed   time.Duration
	latencies []time.Duration
}

// NewTally makes one that is closed.
func NewTally() *Tally { return &Tally{now: time.Now} }

// Open starts the window.
func (t *Tally) Open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open, t.since, t.counted = true, t.now(), Counted{}
}

// Close ends the window.
func (t *Tally) Close() Counted {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = false
	t.counted.Elapsed = t.now().Sub(t.since)
	slices.Sort(t.counted.latencies)
	return t.counted
}

// Done counts transfers that were confirmed together, asked for at a time.
func (t *Tally) Done(transfers int, asked time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open {
		return
	}
	t.counted.Transfers += int64(transfers)
	if len(t.counted.latencies) < samplesMax {
		t.counted.latencies = append(t.counted.latencies, t.now().Sub(asked))
	}
}

// Refused counts transfers that were not done, and why.
func (t *Tally) Refused(transfers int, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open {
		return
	}
	if t.counted.Refused == nil {
		t.counted.Refused = map[string]int{}
	}
	if _, known := t.counted.Refused[why]; !known && len(t.counted.Refused) >= reasonsMax {
		why = reasonOther
	}
	t.counted.Refused[why] += transfers
}

// Percentile of the latencies, in milliseconds: the smallest that at least the part p of all requests kept.
func (c Counted) Percentile(p float64) float64 {
	if len(c.latencies) == 0 {
		return 0
	}
	at := int(p * float64(len(c.latencies)))
	return float64(c.latencies[min(at, len(c.latencies)-1)].Microseconds()) / 1000
}
