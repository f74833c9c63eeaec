// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/obs"
)

// Reasons why a request is not passed on.
const (
	reasonFull    = "guard_full"   // TryLater: too many are under way
	reasonBodies  = "guard_bodies" // TryLater: too much is in memory
	reasonHeld    = "guard_held"   // TryLater: too many wait already
	reasonMoving  = "slot_moving"  // TryLater: the slot takes no debits just now
	reasonHopped  = "second_hop"   // TryLater: it was sent on before
	reasonUnsent  = "unsent"       // TryLater: the ledger was not reached
	reasonUnknown = "unknown"      // Timeout: asked, and not answered
	reasonCut     = "body_cut"     // Invalid: the body did not come whole
	reasonEnding  = "ending"       // Unavailable: the guard ends
	reasonAgain   = "again"        // TryLater: V10 took newer barriers each time
)

// metrics are what a guard counts.
type metrics struct {
	requests *prometheus.CounterVec // by way
	refused  *prometheus.CounterVec // by reason
	again    prometheus.Counter
	held     prometheus.Histogram
	fences   *prometheus.CounterVec // by result
	troubles *prometheus.CounterVec // by reason

	unregister func()
}

// Ways of requests.
const (
	wayV10    = "v10"
	wayV11    = "v11"
	wayParted = "parted"
)

func newMetrics(r *prometheus.Registry, g *Guard) (m *metrics, err error) {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "aurigraph_guard_" + name, Help: help}, []string{label})
	}
	m = &metrics{
		requests: counter("requests_total", "Requests passed on, by ledger; parted went to both.", "way"),
		refused:  counter("refused_total", "Requests answered by the guard, by reason.", "reason"),
		again: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_guard_again_total", Help: "Requests that a barrier of this guard ended, which V10 did not execute, and that were sent again.",
		}),
		held: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aurigraph_guard_held_seconds", Help: "Time that requests waited because their slot took no debits.", Buckets: obs.LatencyBuckets(),
		}),
		fences:   counter("fences_total", "Fences that were asked for, by result.", "result"),
		troubles: counter("troubles_total", "Times that V11 did not tell its home table, by reason.", "reason"),
	}
	gauge := func(name, help string, read func(*served) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_guard_" + name, Help: help}, func() float64 { return read(g.current.Load()) })
	}
	all := []prometheus.Collector{
		m.requests, m.refused, m.again, m.held, m.fences, m.troubles,
		gauge("home_version", "Version of the home table that the guard serves by.", func(s *served) float64 { return float64(s.Version) }),
		gauge("generation", "Generation that the guard stamps on writes.", func(s *served) float64 { return float64(s.Generation) }),
		gauge("slots_closed", "Slots of V10 that take no debits until the home table moves on.", func(s *served) float64 { return float64(s.count[closed]) }),
		gauge("slots_coming", "Slots that V10 got and has not applied enough for.", func(s *served) float64 { return float64(s.count[coming]) }),
		gauge("held", "Requests that wait for a slot.", func(*served) float64 { return float64(g.proxy.held.Load()) }),
	}
	if r == nil {
		m.unregister = func() {}
		return m, nil
	}
	m.unregister, err = obs.Register(r, "the guard", all...)
	return m, err
}
