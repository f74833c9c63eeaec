// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// loadKept is how many of the newest writes the latencies are of.
const loadKept = 1024

// load is how long writes took. It is safe for concurrent use.
type load struct {
	mu   sync.Mutex
	took [loadKept]time.Duration
	n    int // ever
	peak float64
}

func (l *load) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took[l.n%loadKept] = d
	l.n++
}

// percentiles are the given ones, 0 while nothing was written.
func (l *load) percentiles(of ...float64) []float64 {
	l.mu.Lock()
	kept := slices.Clone(l.took[:min(l.n, loadKept)])
	l.mu.Unlock()
	slices.Sort(kept)
	found := make([]float64, len(of))
	for i, p := range of {
		if len(kept) > 0 {
			found[i] = milliseconds(kept[min(int(p*float64(len(kept))), len(kept)-1)])
		}
	}
	return found
}

func (l *load) mean() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.took[:min(l.n, loadKept)]
	var sum time.Duration
	for _, d := range kept {
		sum += d
	}
	return sum / time.Duration(max(1, len(kept)))
}

// highest notes a rate and returns the best so far.
func (l *load) highest(rate float64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peak = max(l.peak, rate)
	return l.peak
}

// milliseconds is rounded to microseconds.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// seconds writes a duration as V10 did: "2.1s".
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s" }

func (s *Server) uptime() time.Duration { return s.cfg.Now().Sub(s.began) }

// rateSinceBegin is transactions a second since the server began.
func (s *Server) rateSinceBegin() float64 {
	return float64(s.ledger.Totals().Transactions-s.first) / max(1, s.uptime().Seconds())
}

// memory is what the Go runtime holds, in bytes.
func memory() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}

// cpuPercent is the process's share of one core since the server began.
func (s *Server) cpuPercent() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	used := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	return used.Seconds() / max(1, s.uptime().Seconds()) * 100
}
