// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/upstream"
)

type metrics struct {
	calls    *prometheus.CounterVec
	moved    prometheus.Counter
	refused  *prometheus.CounterVec
	refusals *prometheus.CounterVec
	height   prometheus.Gauge
}

// newMetrics registers with r. Methods, codes and reasons are of fixed sets; validators are those of the settings.
func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_gateway_calls_total", Help: "Calls that passed to a validator and ended, by method, validator and gRPC code.",
		}, []string{"method", "validator", "code"}),
		moved: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_gateway_moved_total", Help: "Reads that one validator did not answer and another was asked.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_gateway_refused_total", Help: "Calls that the gateway itself refused, by reason.",
		}, []string{"reason"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_gateway_unproved_total", Help: "Answers about the chain that did not prove themselves, by validator and reason. More than 0 is a liar or a broken disk.",
		}, []string{"validator", "reason"}),
		height: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurigraph_gateway_chain_height", Help: "Newest height that the gateway has proved.",
		}),
	}
	r.MustRegister(m.calls, m.moved, m.refused, m.refusals, m.height)
	return m
}

// watch registers what is read from a pool.
func (m *metrics) watch(r prometheus.Registerer, p *upstream.Pool) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "aurigraph_gateway_validators_up", Help: "Validators that are connected and not left out.",
	}, func() float64 { return float64(p.Up()) }))
}

// forget lets the series of a validator go that left the settings.
func (m *metrics) forget(address string) {
	by := prometheus.Labels{"validator": address}
	m.calls.DeletePartialMatch(by)
	m.refusals.DeletePartialMatch(by)
}
