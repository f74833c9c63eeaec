// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/obs"
)

// relayMetrics count what a relay does.
type relayMetrics struct {
	accepted      prometheus.Counter
	sent          prometheus.Counter
	asked         prometheus.Counter
	refused       *prometheus.CounterVec
	evidence      prometheus.Counter
	foundExecuted prometheus.Counter
	carried       prometheus.Counter
	unregister    func()
}

func newRelayMetrics(r prometheus.Registerer) (*relayMetrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_lane_" + name, Help: help})
	}
	m := &relayMetrics{
		accepted: counter("accepted_entries_total", "Entries of other validators' lanes taken."),
		sent:     counter("sent_entries_total", "Entries sent to other validators, again ones included."),
		asked:    counter("asks_total", "Entries or streams asked of other validators."),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_lane_refused_total", Help: "What other validators sent or asked for that was not acted on, by reason.",
		}, []string{"reason"}),
		evidence:      counter("evidence_total", "Contradictions found about the lanes."),
		foundExecuted: counter("found_executed_total", "Entries ordered again that only the history still knew."),
		carried:       counter("carried_entries_total", "Entries written once more because they waited for longer than the retention."),
	}
	var err error
	m.unregister, err = obs.Register(r, "the lanes' relay", m.accepted, m.sent, m.asked, m.refused, m.evidence, m.foundExecuted, m.carried)
	return m, err
}
