// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// metrics count what a certifier does.
type metrics struct {
	registerer prometheus.Registerer
	refused    *prometheus.CounterVec
	certified  prometheus.Counter
	resent     prometheus.Counter
	evidence   prometheus.Counter
	stuck      prometheus.Counter
	all        []prometheus.Collector
}

func opts(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Name: "aurigraph_certify_" + name, Help: help}
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		registerer: r,
		refused:    prometheus.NewCounterVec(opts("refused_messages_total", "Messages of peers that were not acted on, by reason."), []string{"reason"}),
		certified:  prometheus.NewCounter(opts("certified_blocks_total", "Heights that got their certificate.")),
		resent:     prometheus.NewCounter(opts("resent_votes_total", "Heights whose vote was sent again because they lacked a certificate.")),
		evidence:   prometheus.NewCounter(opts("evidence_total", "Times that a validator signed two headers of one height.")),
		stuck:      prometheus.NewCounter(opts("stuck_blocks_total", "Heights that can get no certificate any more.")),
	}
	m.all = []prometheus.Collector{m.refused, m.certified, m.resent, m.evidence, m.stuck}
	if r == nil {
		return m, nil
	}
	for i, c := range m.all {
		if err := r.Register(c); err != nil {
			m.all = m.all[:i]
			m.unregister()
			return nil, fault.Wrap(fault.Invalid, err, "the metrics of the certifier cannot be registered")
		}
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.all {
		m.registerer.Unregister(c)
	}
}
