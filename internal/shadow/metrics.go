// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/obs"
)

// collector reads the tally when it is asked, so that nothing is counted twice.
type collector struct{ s *Shadow }

var (
	readsDesc = prometheus.NewDesc("aurigraph_shadow_reads_total", "Reads that can be compared, by what became of them.", []string{"what"}, nil)
	unfitDesc = prometheus.NewDesc("aurigraph_shadow_unfit_total", "Requests that cannot be compared, by why.", []string{"reason"}, nil)
	queueDesc = prometheus.NewDesc("aurigraph_shadow_queue", "Reads that wait to be compared.", nil, nil)
)

// Describe lists the metrics.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readsDesc, unfitDesc, queueDesc} {
		out <- d
	}
}

// Collect reads them.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	n := c.s.tally.counts()
	for what, count := range map[string]uint64{
		"offered": n.Offered, "sampled": n.Sampled, "dropped": n.Dropped, "unanswered": n.Unanswered, "equal": n.Equal, "late": n.Late, "noise": n.Noise,
		"differs": n.Differs,
	} {
		out <- prometheus.MustNewConstMetric(readsDesc, prometheus.CounterValue, float64(count), what)
	}
	for why := range unfit(unfitsMax) {
		out <- prometheus.MustNewConstMetric(unfitDesc, prometheus.CounterValue, float64(c.s.tally.unfits[why].Load()), why.String())
	}
	out <- prometheus.MustNewConstMetric(queueDesc, prometheus.GaugeValue, float64(len(c.s.queue)))
}

func register(reg prometheus.Registerer, s *Shadow) (unregister func(), err error) {
	return obs.Register(reg, "shadow", &collector{s})
}
