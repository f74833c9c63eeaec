// SPDX-License-Identifier: Apache-2.0

package access

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	identified *prometheus.CounterVec
	refused    *prometheus.CounterVec
	limited    *prometheus.CounterVec
	reloads    *prometheus.CounterVec
	open       prometheus.Gauge
}

// newMetrics registers with r. Ways, reasons and files are of fixed sets.
func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		identified: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_access_identified_total", Help: "Requests whose caller is known, by what it showed.",
		}, []string{"by"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_access_refused_total", Help: "Requests and logins whose caller is not known, by reason.",
		}, []string{"reason"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_access_limited_total", Help: "Requests and logins that were told to come later, by what there was too much of.",
		}, []string{"what"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_access_reloads_total", Help: "Times that keys, users or an issuer's keys were read again, by what and result.",
		}, []string{"what", "result"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurigraph_access_open", Help: "1: everybody may act for every account.",
		}),
	}
	r.MustRegister(m.identified, m.refused, m.limited, m.reloads, m.open)
	return m
}

// watchSizes adds gauges of what callers make grow.
func (g *Guard) watchSizes(r prometheus.Registerer) {
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_access_metered", Help: "Callers that are metered now."}, g.limiter.size),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_access_sessions", Help: "Sessions of tokens that were refreshed or ended, and are remembered for it."}, g.sessions.size),
	)
}
