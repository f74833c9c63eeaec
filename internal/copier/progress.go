// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Status is how far a copy is.
type Status struct {
	State     string  `json:"state"` // checkpoint, survey, copy, finish, done, failed
	Sequence  uint64  `json:"sequence,omitempty"`
	Steps     []Step  `json:"steps,omitempty"`
	Done      uint64  `json:"done"` // rows of all steps
	Total     uint64  `json:"total"`
	RowsPerS  float64 `json:"rows_per_s"`               // of the last seconds
	EtaS      float64 `json:"eta_s"`                    // at that rate; -1: not known
	LatencyMs float64 `json:"v10_latency_ms,omitempty"` // mean of V10's last answers
	Share     float64 `json:"share"`                    // of the time, that V10's latency leaves to the copy
	Error     string  `json:"error,omitempty"`
	UpdatedMs int64   `json:"updated_ms"`
	Report    *Report `json:"report,omitempty"` // when it is done
}

// Step is a part of a copy, in rows.
type Step struct {
	Name  string `json:"name"`
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
}

// States.
const (
	StateCheckpoint = "checkpoint"
	StateSurvey     = "survey"
	StateCopy       = "copy"
	StateFinish     = "finish" // the history's indexes are made
	StateDone       = "done"
	StateFailed     = "failed"
)

// ReadStatus reads how far the copy in a folder is, as it last said. NotFound: there is none.
func ReadStatus(dir string) (Status, error) {
	var s Status
	found, err := readFile(filepath.Join(dir, statusFile), &s)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no copy in %s: start one with `aurigraph copy start`", dir)
	}
	return s, err
}

// The steps that are shown, in order.
const (
	stepAccounts = iota
	stepBalances
	stepKeys
	stepTransactions
	stepRounds
	stepCount
)

var stepNames = [stepCount]string{"accounts", "balances", "keys", "transactions", "rounds"}

const (
	tellEvery     = 200 * time.Millisecond
	noteEvery     = time.Second
	rateWindow    = 10 * time.Second
	rateWindowMin = time.Second
)

// meter counts rows, and knows how fast they went of late. Counting is safe for any number of goroutines.
type meter struct {
	done   [stepCount]atomic.Uint64
	total  [stepCount]uint64
	began  time.Time
	first  uint64 // rows that were there when this run began
	recent []sample
}

type sample struct {
	at   time.Time
	rows uint64
}

func (m *meter) sum() (done, total uint64) {
	for i := range m.done {
		done, total = done+m.done[i].Load(), total+m.total[i]
	}
	return done, total
}

// sampled is the rate of the last seconds, and how long the rest takes at it; -1: not known.
func (m *meter) sampled(now time.Time) (rate, eta float64) {
	done, total := m.sum()
	m.recent = append(m.recent, sample{now, done})
	for len(m.recent) > 2 && now.Sub(m.recent[0].at) > rateWindow {
		m.recent = m.recent[1:]
	}
	first := m.recent[0]
	if d := now.Sub(first.at); d >= rateWindowMin && done > first.rows {
		rate = float64(done-first.rows) / d.Seconds()
	}
	switch {
	case done >= total:
		return rate, 0
	case rate == 0:
		return 0, -1
	}
	return rate, float64(total-done) / rate
}

// rate is that of the whole run.
func (m *meter) rate(now time.Time) float64 {
	done, _ := m.sum()
	return float64(done-min(done, m.first)) / max(now.Sub(m.began).Seconds(), 0.001)
}

// status is how far it is, now.
func (c *copying) status(now time.Time) Status {
	s := Status{State: *c.state.Load(), Share: 1, EtaS: -1, UpdatedMs: now.UnixMilli()}
	latency, share := c.throttle.seen()
	s.LatencyMs, s.Share = float64(latency.Microseconds())/1000, share
	s.Sequence = c.sequence.Load()
	m := c.meter.Load()
	if m == nil {
		return s
	}
	for i, name := range stepNames {
		s.Steps = append(s.Steps, Step{name, m.done[i].Load(), m.total[i]})
	}
	s.Done, s.Total = m.sum()
	s.RowsPerS, s.EtaS = m.sampled(now)
	return s
}

// tell says how far it is until ctx ends, to who asked and to the status file.
func (c *copying) tell(ctx context.Context) {
	ticks := time.NewTicker(tellEvery)
	defer ticks.Stop()
	var noted time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			s := c.status(now)
			if c.Progress != nil {
				c.Progress(s)
			}
			if now.Sub(noted) >= noteEvery {
				noted = now
				c.note(&s)
			}
		}
	}
}

// note writes the status file. That it cannot be written stops nothing.
func (c *copying) note(s *Status) {
	if err := writeFile(filepath.Join(c.Dir, statusFile), s, false); err != nil {
		c.Log.Warn("the copy's status cannot be written", "error", err)
	}
}
