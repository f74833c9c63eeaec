// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Reasons why a request is answered here.
const (
	reasonFull     = "router_full"    // TryLater: too many are under way
	reasonBodies   = "router_bodies"  // TryLater: too much is gathered
	reasonCut      = "router_cut"     // Invalid: the client did not send the whole body
	reasonUnsent   = "router_unsent"  // TryLater: the side was not reached
	reasonUnknown  = "router_unknown" // Timeout: sent, and not answered
	reasonGoneAway = "router_gone"    // Timeout: the client left
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	failures *prometheus.CounterVec
	refused  *prometheus.CounterVec

	unregister func()
}

func newMetrics(reg prometheus.Registerer, p *Proxy) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_router_requests_total", Help: "Requests, by the side they went to and by what decided it.",
		}, []string{"side", "by"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "aurigraph_router_request_seconds", Help: "Time of requests that are no streams, by side.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"side"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_router_failures_total", Help: "Requests that the router itself answered, by reason.",
		}, []string{"reason"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_router_maps_refused_total", Help: "Maps that were refused, by reason.",
		}, []string{"reason"}),
	}
	unregister, err := obs.Register(reg, "router", m.requests, m.seconds, m.failures, m.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "aurigraph_router_map_version", Help: "Version of the map that requests are routed by.",
		}, func() float64 { return float64(p.table.Load().Version()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "aurigraph_router_weight_basis_points", Help: "Share of the hash slots that go to V11.",
		}, func() float64 { present := p.table.Load().Map(); return float64(present.Weight()) }),
	)
	for _, s := range router.Sides() {
		for _, by := range router.Bys() {
			m.requests.WithLabelValues(s.String(), by.String())
		}
	}
	for _, reason := range []string{router.ReasonStale, router.ReasonDiffers, router.ReasonMalformed} {
		m.refused.WithLabelValues(reason) // of what appears with its first event nobody sees that it grew
	}
	m.unregister = unregister
	return m, err
}
