// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

type publisherMetrics struct {
	labels     prometheus.Labels
	published  prometheus.Counter
	found      prometheus.Counter
	refused    *prometheus.CounterVec
	unregister func()
}

func newPublisherMetrics(o envelope.Origin) *publisherMetrics {
	labels := prometheus.Labels{"direction": o.String()}
	return &publisherMetrics{
		labels: labels,
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_sync_published_total", Help: "Records that all in-sync replicas have, without a gap before them.", ConstLabels: labels}),
		found: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_sync_published_before_total", Help: "Records that an earlier publisher had sent before it ended.", ConstLabels: labels}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_sync_publish_refused_total", Help: "Records that were not sent, and publishers that ended, by reason.", ConstLabels: labels}, []string{obs.KeyReason}),
		unregister: func() {},
	}
}

func (m *publisherMetrics) all(p *Publisher) []prometheus.Collector {
	return []prometheus.Collector{m.published, m.found, m.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "aurigraph_sync_publish_in_flight", Help: "Records that are sent and not acknowledged.", ConstLabels: m.labels,
		}, func() float64 { return float64(p.State().InFlight) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "aurigraph_sync_publish_waiting_seconds", Help: "How long nothing was acknowledged although records are in flight.", ConstLabels: m.labels,
		}, func() float64 { return p.State().Waiting.Seconds() }),
	}
}

type readerMetrics struct {
	offered    *prometheus.CounterVec
	handed     prometheus.Counter
	held       *prometheus.CounterVec
	pending    prometheus.Gauge
	position   prometheus.Gauge
	stated     prometheus.Gauge
	unregister func()
}

func newReaderMetrics(o envelope.Origin) *readerMetrics {
	labels := prometheus.Labels{"direction": o.String()}
	return &readerMetrics{
		offered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_sync_read_total", Help: "Records read from the topics, by what was done with them.", ConstLabels: labels}, []string{"verdict"}),
		handed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_sync_handed_total", Help: "Records handed to the applier, in order.", ConstLabels: labels}),
		held: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_sync_held_total", Help: "Times that reading stopped for good, by reason.", ConstLabels: labels}, []string{obs.KeyReason}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurigraph_sync_read_pending", Help: "Records that wait for one before them.", ConstLabels: labels}),
		position: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurigraph_sync_handed_major", Help: "Batch or height of the last record handed to the applier.", ConstLabels: labels}),
		stated: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aurigraph_sync_stated_major", Help: "Batch or height of the newest record that the publisher tells of.", ConstLabels: labels}),
		unregister: func() {},
	}
}

func (m *readerMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.offered, m.handed, m.held, m.pending, m.position, m.stated}
}
