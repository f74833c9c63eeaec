// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	runtimemetrics "runtime/metrics"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// meter measures what V10's clients want to see: the ledger's rate, from its counter, and this server's own payments. It is safe for
// concurrent use; time comes from outside.
type meter struct {
	first Counters // when the server began

	mu       sync.Mutex // guards all below
	seconds  [tpsWindowSeconds + 1]uint64
	ticks    int // of seconds
	peak     float64
	took     [latenciesKept]time.Duration
	payments int // with a certified outcome, ever
	refused  int // of them
}

func newMeter(first Counters) *meter { return &meter{first: first} }

// tick notes the ledger's count of transfers, once a second.
func (m *meter) tick(transfers uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seconds[m.ticks%len(m.seconds)] = transfers
	m.ticks++
	m.peak = max(m.peak, m.rate(transfers))
}

// rate is transfers a second over the last tpsWindowSeconds, or as far back as the meter goes.
func (m *meter) rate(transfers uint64) float64 {
	span := min(m.ticks, len(m.seconds)) - 1
	if span < 1 {
		return 0
	}
	oldest := m.seconds[(m.ticks-1-span)%len(m.seconds)]
	return float64(transfers-min(transfers, oldest)) / float64(span)
}

// settled notes a payment's certified outcome and how long it took.
func (m *meter) settled(took time.Duration, refused bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.took[m.payments%len(m.took)] = took
	m.payments++
	if refused {
		m.refused++
	}
}

// figures are a meter at a glance. Latencies are in ms, of the newest payments; 0 if there were none.
type figures struct {
	tps, average, peak  float64
	mean, p50, p95, p99 float64
	errorRate           float64
	transfers           uint64
	height              uint64
}

func (s *Server) figures() figures {
	c, m := s.parts.Reader.Counters(), s.meter
	f := figures{transfers: c.Transfers, height: uint64(c.Height)}
	f.average = float64(c.Transfers-min(c.Transfers, m.first.Transfers)) / max(1, s.uptime().Seconds())
	m.mu.Lock()
	defer m.mu.Unlock()
	f.tps = m.rate(c.Transfers)
	m.peak = max(m.peak, f.tps)
	f.peak = m.peak
	if m.payments == 0 {
		return f
	}
	f.errorRate = float64(m.refused) / float64(m.payments)
	kept := slices.Sorted(slices.Values(m.took[:min(m.payments, len(m.took))]))
	f.p50, f.p95, f.p99 = quantile(kept, 50), quantile(kept, 95), quantile(kept, 99)
	var sum time.Duration
	for _, d := range kept {
		sum += d
	}
	f.mean = milliseconds(sum / time.Duration(len(kept)))
	return f
}

// quantile is a percentile of sorted durations, in ms.
func quantile(sorted []time.Duration, percent int) float64 {
	return milliseconds(sorted[min(len(sorted)*percent/100, len(sorted)-1)])
}

// milliseconds is to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// sample takes the meter's and Vizor's samples until ctx ends.
func (s *Server) sample(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	const vizorTicks = v10.VizorSampleMs / 1000
	for n := 0; ; n++ {
		s.meter.tick(s.parts.Reader.Counters().Transfers)
		if n%vizorTicks == 0 {
			s.sampleVizor(ctx)
		}
		select {
		case <-second.C:
		case <-ctx.Done():
			return
		}
	}
}

// memoryBytes is what the Go runtime holds of the system's memory.
func memoryBytes() uint64 {
	sample := []runtimemetrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	runtimemetrics.Read(sample)
	return sample[0].Value.Uint64() - sample[1].Value.Uint64()
}

// cpuPercent is the process's share of one core since the server began to live.
func (s *Server) cpuPercent() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	used := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	return float64(int64(1000*used.Seconds()/max(1, s.uptime().Seconds()))) / 10
}
