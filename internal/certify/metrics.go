// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/obs"
)

// metrics count what a certifier does.
type metrics struct {
	refused    *prometheus.CounterVec
	certified  prometheus.Counter
	resent     prometheus.Counter
	evidence   prometheus.Counter
	stuck      prometheus.Counter
	unregister func()
}

func opts(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Name: "aurigraph_certify_" + name, Help: help}
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		refused:   prometheus.NewCounterVec(opts("refused_messages_total", "Messages of peers that were not acted on, by reason."), []string{"reason"}),
		certified: prometheus.NewCounter(opts("certified_blocks_total", "Heights that got their certificate.")),
		resent:    prometheus.NewCounter(opts("resent_votes_total", "Heights whose vote was sent again because they lacked a certificate.")),
		evidence:  prometheus.NewCounter(opts("evidence_total", "Times that a validator signed two headers of one height.")),
		stuck:     prometheus.NewCounter(opts("stuck_blocks_total", "Heights that can get no certificate any more.")),
	}
	var err error
	m.unregister, err = obs.Register(r, "the certifier", m.refused, m.certified, m.resent, m.evidence, m.stuck)
	return m, err
}
