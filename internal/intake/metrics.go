// SPDX-License-Identifier: Apache-2.0

package intake

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	admitted *prometheus.CounterVec
	refused  *prometheus.CounterVec
	repeated prometheus.Counter
}

func newMetrics(r prometheus.Registerer, in *Intake) *metrics {
	m := &metrics{
		admitted: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "aurigraph_intake_admitted_total", Help: "Submissions admitted, by what they are."}, []string{"what"}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "aurigraph_intake_refused_total", Help: "Submissions refused, by reason."}, []string{"reason"}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_intake_repeated_total", Help: "Submissions answered with an earlier receipt."}),
	}
	r.MustRegister(m.admitted, m.refused, m.repeated,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_intake_buffers_bytes", Help: "Payload memory in use, from the edge to execution."},
			func() float64 { return float64(in.Pool.LentBytes()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_intake_transactions_queued", Help: "Single transactions that wait to be cut."},
			func() float64 { return float64(len(in.txQueue)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_intake_waiting", Help: "Lane payloads whose submitters wait for a certificate."},
			func() float64 {
				in.waitersMu.Lock()
				defer in.waitersMu.Unlock()
				return float64(len(in.waiters))
			}))
	return m
}
