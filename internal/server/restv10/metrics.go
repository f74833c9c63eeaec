// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// groupUnknown stands in counters for paths that are not in the table: a client must not make series by inventing them.
const groupUnknown = "unknown"

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	streams  prometheus.Gauge
	sockets  prometheus.Gauge
	closed   *prometheus.CounterVec

	proxyIDs prometheus.Counter

	sentOn    *prometheus.CounterVec
	notSentOn *prometheus.CounterVec
}

// newMetrics registers with r. Groups, codes and reasons are of fixed sets.
func newMetrics(r prometheus.Registerer, s *Server) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_v10_requests_total", Help: "Requests of the V10 dialect, by group of endpoints and status code.",
		}, []string{"group", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "aurigraph_v10_request_seconds", Help: "Time to answer, by group of endpoints; streams are not in it.",
			Buckets: []float64{0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10},
		}, []string{"group"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurigraph_v10_streams", Help: "Server-sent events and NDJSON streams that are open.",
		}),
		sockets: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurigraph_v10_sockets", Help: "WebSockets that are open.",
		}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_v10_sockets_closed_total", Help: "WebSockets that ended, by reason.",
		}, []string{"reason"}),
		proxyIDs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_v10_request_ids_ignored_total", Help: "Request ids of a proxy that are none, so that the payment went on without.",
		}),
		sentOn: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_v10_sent_on_total", Help: "Requests, and pieces of streams, that were sent on to V10 because it owns the account, by result.",
		}, []string{"result"}),
		notSentOn: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_v10_not_sent_on_total", Help: "Requests of accounts that V10 owns which were refused and not sent on, by reason.",
		}, []string{"reason"}),
	}
	r.MustRegister(m.sentOn, m.notSentOn, m.requests, m.seconds, m.streams, m.sockets, m.closed, m.proxyIDs, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "aurigraph_v10_in_flight", Help: "Requests of the V10 dialect that are under way.",
	}, func() float64 { return float64(s.inFlight.Load()) }))
	return m
}

// answered counts a request of a row (nil: an unknown path) and how long it took.
func (m *metrics) answered(row *v10.Endpoint, code int, begin time.Time) {
	m.count(row, code)
	if row != nil {
		m.seconds.WithLabelValues(string(row.Group)).Observe(time.Since(begin).Seconds())
	}
}

func (m *metrics) count(row *v10.Endpoint, code int) {
	group := groupUnknown
	if row != nil {
		group = string(row.Group)
	}
	m.requests.WithLabelValues(group, strconv.Itoa(code)).Inc()
}
