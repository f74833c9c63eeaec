// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// samples are Vizor's metrics: the server's own and what clients recorded, in memory. It is safe for concurrent use.
type samples struct {
	mu      sync.Mutex
	series  map[string][]v10.MetricRow // by name, oldest first
	history []v10.VizorNow
}

// record keeps a sample; the oldest of a name goes first. A new name beyond the bound is TryLater.
func (m *samples) record(row v10.MetricRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept, known := m.series[row.Name]
	if !known && len(m.series) >= v10.VizorNamesMax {
		return fault.Reasoned(fault.TryLater, "vizor_names", "%d metrics are kept already", v10.VizorNamesMax)
	}
	if m.series == nil {
		m.series = map[string][]v10.MetricRow{}
	}
	row.Name = strings.Clone(row.Name) // which is a part of a request's body
	m.series[row.Name] = newest(append(kept, row))
	return nil
}

func newest[T any](kept []T) []T {
	if len(kept) <= v10.VizorSamplesMax {
		return kept
	}
	return slices.Clone(kept[len(kept)-v10.VizorSamplesMax:])
}

// between are the samples of a metric, all metrics for "", in a span of time, by name and then oldest first.
func (m *samples) between(name string, span v10.TimeRange) []v10.MetricRow {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := []string{name}
	if name == "" {
		names = names[:0]
		for n := range m.series {
			names = append(names, n)
		}
		slices.Sort(names)
	}
	found := []v10.MetricRow{}
	for _, n := range names {
		for _, row := range m.series[n] {
			if span.Start <= row.Timestamp && row.Timestamp <= span.End {
				found = append(found, row)
			}
		}
	}
	return found
}

func (m *samples) remember(now v10.VizorNow) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history = newest(append(m.history, now))
}

// since is the history from a time on.
func (m *samples) since(from v10.Time) []v10.VizorNow {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := []v10.VizorNow{}
	for _, h := range m.history {
		if h.Timestamp >= from {
			found = append(found, h)
		}
	}
	return found
}

// Sample takes Vizor's own samples, at once and every v10.VizorSampleMs, until ctx ends.
func (s *Server) Sample(ctx context.Context) {
	tick := time.NewTicker(v10.VizorSampleMs * time.Millisecond)
	defer tick.Stop()
	for {
		s.sampleNow()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Server) sampleNow() {
	now := s.vizorPerformance()
	s.load.highest(now.TPS)
	s.samples.remember(now)
	for name, value := range map[string]float64{
		v10.MetricTPS: now.TPS, v10.MetricLatency: now.Latency, v10.MetricRounds: float64(now.ConsensusRounds),
		v10.MetricValidators: validators, v10.MetricBlockHeight: float64(now.ConsensusRounds), v10.MetricChannelTxs: float64(now.ChannelTransactions),
	} {
		// Clients may have used up the names; then the server's own charts stay empty.
		_ = s.samples.record(v10.MetricRow{Name: name, Timestamp: now.Timestamp, Value: value, Tags: map[string]string{}, Type: "gauge"})
	}
}
