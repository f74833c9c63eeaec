// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/obs"
)

const (
	directionOut = iota
	directionIn
	directionCount
)

var directionNames = [directionCount]string{"out", "in"}

// metrics count what goes over the wire. The counters of a frame are made beforehand: looking a label up costs more than
// a small frame does.
type metrics struct {
	frames, bytes [directionCount][ClassCount]prometheus.Counter
	connections   [directionCount][ClassCount]prometheus.Gauge
	reconnects    [ClassCount]prometheus.Counter
	roundTrip     [ClassCount]prometheus.Observer
	drops         *prometheus.CounterVec
	refusals      *prometheus.CounterVec
	failures      *prometheus.CounterVec

	collectors []prometheus.Collector
	unregister func()
}

func metricName(name string) string { return "aurigraph_transport_" + name }

func newMetrics(r prometheus.Registerer, queueBytes func(Class) int64) (*metrics, error) {
	m := &metrics{}
	frames := m.counters("frames_total", "Frames between validators, by class and direction.", "class", "direction")
	bytes := m.counters("bytes_total", "Bytes of frames between validators, headers included and TLS not, by class and direction.", "class", "direction")
	connections := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: metricName("connections"), Help: "Open connections, by class and direction."}, []string{"class", "direction"})
	reconnects := m.counters("reconnects_total", "Connections made again, by class.", "class")
	roundTrip := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: metricName("round_trip_seconds"), Help: "Round trip of pings, with what was queued before them, by class.", Buckets: obs.LatencyBuckets(),
	}, []string{"class"})
	m.drops = m.counters("drops_total", "Frames refused, or queued and not delivered, by class and reason.", "class", obs.KeyReason)
	m.refusals = m.counters("handshake_refusals_total", "Connections refused before their first frame, by direction and reason.", "direction", obs.KeyReason)
	m.failures = m.counters("failures_total", "Incoming connections that ended other than by the peer's closing them, by class and reason.", "class", obs.KeyReason)
	m.collectors = append(m.collectors, connections, roundTrip)
	for c := range ClassCount {
		for d := range directionNames {
			m.frames[d][c] = frames.WithLabelValues(c.String(), directionNames[d])
			m.bytes[d][c] = bytes.WithLabelValues(c.String(), directionNames[d])
			m.connections[d][c] = connections.WithLabelValues(c.String(), directionNames[d])
		}
		m.reconnects[c] = reconnects.WithLabelValues(c.String())
		m.roundTrip[c] = roundTrip.WithLabelValues(c.String())
		m.collectors = append(m.collectors, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: metricName("queue_bytes"), Help: "Bytes of frames that wait for their peer or are being written, by class.",
			ConstLabels: prometheus.Labels{"class": c.String()},
		}, func() float64 { return float64(queueBytes(c)) }))
	}
	var err error
	m.unregister, err = obs.Register(r, "the transport", m.collectors...)
	return m, err
}

func (m *metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricName(name), Help: help}, labels)
	m.collectors = append(m.collectors, v)
	return v
}

func (m *metrics) count(direction int, c Class, frames int, bytes int64) {
	m.frames[direction][c].Add(float64(frames))
	m.bytes[direction][c].Add(float64(bytes))
}
