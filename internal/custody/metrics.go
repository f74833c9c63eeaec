// SPDX-License-Identifier: Apache-2.0

package custody

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	payments  *prometheus.CounterVec
	refused   *prometheus.CounterVec
	legs      prometheus.Histogram
	wait      prometheus.Histogram
	underWay  prometheus.Gauge
	resent    prometheus.Counter
	again     *prometheus.CounterVec
	late      prometheus.Counter
	leases    prometheus.Gauge
	opened    prometheus.Counter
	forgotten *prometheus.CounterVec
}

// newMetrics registers with r. Outcomes and reasons are of fixed sets.
func newMetrics(r prometheus.Registerer, waiting func() float64) *metrics {
	m := &metrics{
		payments: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_custody_payments_total", Help: "Payments with a certified fate, by outcome.",
		}, []string{"outcome"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_custody_refused_total", Help: "Payments and other requests that ended without a certified fate, by reason.",
		}, []string{"reason"}),
		legs: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aurigraph_custody_batch_legs", Help: "Payments that shared a batch.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192},
		}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aurigraph_custody_wait_seconds", Help: "How long a payment waited for a carrier.", Buckets: []float64{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3},
		}),
		underWay: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurigraph_custody_batches_under_way", Help: "Batches that were cut and are not settled.",
		}),
		resent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_custody_resent_total", Help: "Times that a batch was sent again as it was, because its fate was not known.",
		}),
		again: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_custody_signed_again_total", Help: "Times that payments were signed again, because their batch was certainly not executed, by reason.",
		}, []string{"reason"}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_custody_late_total", Help: "Payments whose fate came after their caller was told that it is unknown.",
		}),
		leases: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurigraph_custody_leases", Help: "Channels that are leased. Fewer than carriers means that some wait for one.",
		}),
		opened: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_custody_opened_total", Help: "Accounts that were opened.",
		}),
		forgotten: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_custody_names_lost_total", Help: "Names that did not reach the vault, by reason. They come back when they are used.",
		}, []string{"reason"}),
	}
	r.MustRegister(m.payments, m.refused, m.legs, m.wait, m.underWay, m.resent, m.again, m.late, m.leases, m.opened, m.forgotten,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_custody_waiting", Help: "Payments that wait for a carrier."}, waiting))
	return m
}
