// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/obs"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refusals *prometheus.CounterVec
	panics   prometheus.Counter
	batches  prometheus.Gauge
}

// newMetrics registers with r, which may be nil. Methods and codes are of fixed sets, and so are reasons: they are words
// in our code.
func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_grpcapi_requests_total", Help: "Calls that ended, streams included, by method and gRPC code.",
		}, []string{"method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "aurigraph_grpcapi_request_seconds", Help: "Duration of unary calls by method.", Buckets: obs.LatencyBuckets(),
		}, []string{"method"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_grpcapi_refusals_total", Help: "Calls, and messages of streams, answered with a fault, by reason.",
		}, []string{"reason"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_grpcapi_panics_total", Help: "Handlers that panicked. More than 0 is a bug.",
		}),
		batches: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurigraph_grpcapi_in_flight_batches", Help: "Client batches submitted on streams and not answered.",
		}),
	}
	if r != nil {
		r.MustRegister(m.requests, m.seconds, m.refusals, m.panics, m.batches)
	}
	return m
}
