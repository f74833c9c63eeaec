// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// metrics count what a log does. All carry the label log, the name of the log.
type metrics struct {
	registerer   prometheus.Registerer
	collectors   []prometheus.Collector
	bytes        prometheus.Counter
	records      prometheus.Counter
	fsync        prometheus.Histogram
	groupBytes   prometheus.Histogram
	prepareFails prometheus.Counter
	cutBytes     prometheus.Counter
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_seglog_" + name, Help: help})
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "aurigraph_seglog_" + name, Help: help, Buckets: buckets})
}

func gauge(name, help string, f func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_seglog_" + name, Help: help}, f)
}

func newMetrics(l *Log) (*metrics, error) {
	m := &metrics{
		bytes:        counter("append_bytes_total", "Bytes made durable, head pages and padding included."),
		records:      counter("append_records_total", "Records made durable."),
		fsync:        histogram("fsync_seconds", "Time of one flush.", prometheus.ExponentialBuckets(50e-6, 2, 15)),
		groupBytes:   histogram("group_bytes", "Bytes that one flush made durable.", prometheus.ExponentialBuckets(PageBytes, 4, 8)),
		prepareFails: counter("prepare_failures_total", "Failed attempts to make a zeroed segment ready, as on a full disk."),
		cutBytes:     counter("cut_bytes_total", "Bytes of a torn tail that opening cut off."),
	}
	m.collectors = []prometheus.Collector{
		m.bytes, m.records, m.fsync, m.groupBytes, m.prepareFails, m.cutBytes,
		gauge("queue_bytes", "Bytes of records handed over and not yet durable.", func() float64 { return float64(l.queued.Load()) }),
		gauge("ready_segments", "Zeroed segments ahead of the writer.", func() float64 { return float64(l.Health().Ready) }),
		gauge("retained_bytes", "Size of the segments that hold records.", func() float64 { return float64(l.RetainedBytes()) }),
	}
	if l.opts.Metrics == nil {
		return m, nil
	}
	m.registerer = prometheus.WrapRegistererWith(prometheus.Labels{"log": l.opts.Name}, l.opts.Metrics)
	for i, c := range m.collectors {
		if err := m.registerer.Register(c); err != nil {
			m.collectors = m.collectors[:i]
			m.unregister()
			return nil, fault.Wrap(fault.Invalid, err, "the metrics of log %q cannot be registered", l.opts.Name)
		}
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.collectors {
		m.registerer.Unregister(c)
	}
}
