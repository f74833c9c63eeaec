// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/obs"
)

// metrics count what an engine does.
type metrics struct {
	refused    *prometheus.CounterVec
	dropped    prometheus.Counter
	unordered  prometheus.Counter
	decided    prometheus.Counter
	terms      prometheus.Counter
	votes      prometheus.Histogram
	unregister func()
}

func opts(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Name: "aurigraph_order_" + name, Help: help}
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		refused:   prometheus.NewCounterVec(opts("refused_messages_total", "Messages of peers that were not acted on, by reason."), []string{"reason"}),
		dropped:   prometheus.NewCounter(opts("dropped_frames_total", "Frames of peers dropped because too many waited.")),
		unordered: prometheus.NewCounter(opts("unordered_digests_total", "Own digests that stayed undecided for too long.")),
		decided:   prometheus.NewCounter(opts("decided_proposals_total", "Proposals decided.")),
		terms:     prometheus.NewCounter(opts("term_changes_total", "Times that this node saw another leader or term.")),
	}
	m.votes = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "aurigraph_order_vote_seconds", Buckets: obs.FineLatencyBuckets(),
		Help: "On the leader: from the cut of a proposal until a majority has it on disk.",
	})
	var err error
	m.unregister, err = obs.Register(r, "the ordering engine", m.refused, m.dropped, m.unordered, m.decided, m.terms, m.votes)
	return m, err
}
