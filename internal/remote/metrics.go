// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
)

type metrics struct {
	payments *prometheus.CounterVec
	refused  *prometheus.CounterVec
	together prometheus.Histogram
	calls    *prometheus.CounterVec
	again    *prometheus.CounterVec
	late     prometheus.Counter
}

// newMetrics registers with r. Outcomes, kinds and reasons are of fixed sets.
func newMetrics(r prometheus.Registerer, l *Ledger) *metrics {
	m := &metrics{
		payments: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_remote_payments_total", Help: "Payments through validators with a certified fate, by outcome.",
		}, []string{"outcome"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_remote_refused_total", Help: "Payments and reads through validators that ended without an answer, by reason.",
		}, []string{"reason"}),
		together: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aurigraph_remote_call_payments", Help: "Payments that shared a call.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192},
		}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_remote_calls_total", Help: "Calls with payments, by kind: keyed or unkeyed.",
		}, []string{"kind"}),
		again: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_remote_payments_again_total", Help: "Payments that were put to another validator, by why: undone or unknown.",
		}, []string{"why"}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_remote_late_total", Help: "Payments whose fate came after their caller was told that it is unknown.",
		}),
	}
	r.MustRegister(m.payments, m.refused, m.together, m.calls, m.again, m.late,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_remote_waiting", Help: "Payments that wait for a call."}, l.desk.waiting),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_remote_height", Help: "Newest certified height that a validator told of."}, func() float64 {
			return float64(l.reader.Counters().Height)
		}))
	return m
}

// refuse counts an error by its reason and passes it on. nil stays nil.
func (m *metrics) refuse(err error) error {
	if err != nil {
		m.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	}
	return err
}
