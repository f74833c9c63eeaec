// SPDX-License-Identifier: Apache-2.0

package trail

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	lines, flushes, lost prometheus.Counter
}

func newMetrics(r prometheus.Registerer, waiting func() float64) *metrics {
	m := &metrics{
		lines:   prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_trail_lines_total", Help: "Lines written to the audit trail."}),
		flushes: prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_trail_flushes_total", Help: "Flushes of the audit trail to the disk."}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_trail_lost_total", Help: "Lines that were not written, because their caller's time ended while the trail did not keep up.",
		}),
	}
	r.MustRegister(m.lines, m.flushes, m.lost, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_trail_waiting", Help: "Lines that wait to be written."}, waiting))
	return m
}
