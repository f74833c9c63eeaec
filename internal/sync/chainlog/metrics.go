// SPDX-License-Identifier: Apache-2.0

package chainlog

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	captured *prometheus.CounterVec
	stops    *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		captured: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_sync_capture_changes_total", Help: "Changes of V11 that were handed on for V10, by topic.",
		}, []string{"topic"}),
		stops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_sync_capture_stops_total", Help: "Times that the capture of V11 could not go on, by reason. One that lasts counts five a second.",
		}, []string{"reason"}),
	}
}

func (m *metrics) all(c *Capture) []prometheus.Collector {
	return []prometheus.Collector{
		m.captured, m.stops,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "aurigraph_sync_capture_height", Help: "Height up to which V11 was handed on for V10.",
		}, func() float64 { return float64(c.Status().Height) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "aurigraph_sync_capture_stopped", Help: "1 while the capture of V11 does not go on, with the reason in its status.",
		}, func() float64 {
			if c.Status().Reason != "" {
				return 1
			}
			return 0
		}),
	}
}
