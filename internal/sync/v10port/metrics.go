// SPDX-License-Identifier: Apache-2.0

package v10port

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// captureMetrics are those of a capture.
type captureMetrics struct {
	head, at prometheus.Gauge
	changes  *prometheus.CounterVec
	skipped  prometheus.Counter
	troubles *prometheus.CounterVec
}

func newCaptureMetrics() *captureMetrics {
	return &captureMetrics{
		head: gauge("aurigraph_sync_v10_head_major", "Sequence of V10's newest durable batch, as it last said."),
		at:   gauge("aurigraph_sync_v10_captured_major", "Sequence of V10's batch up to which its changes were given to the bus."),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_sync_v10_captured_total", Help: "Changes of V10 that were given to the bus, by topic.",
		}, []string{"topic"}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_sync_v10_passed_over_total", Help: "Batches of V10 without a change of its own: V11's, applied there, and its housekeeping.",
		}),
		troubles: troubles("aurigraph_sync_v10_capture_troubles_total", "Times that V10's changes were not heard or not understood, by reason."),
	}
}

func (m *captureMetrics) register(r prometheus.Registerer) (func(), error) {
	return obs.Register(r, "the capture of V10", m.head, m.at, m.changes, m.skipped, m.troubles)
}

// applyMetrics are those of applying to V10.
type applyMetrics struct {
	at       prometheus.Gauge
	sent     prometheus.Counter
	troubles *prometheus.CounterVec
}

func newApplyMetrics() *applyMetrics {
	return &applyMetrics{
		at: gauge("aurigraph_sync_v10_applied_major", "Height of V11 up to which V10 has applied its changes."),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_sync_v10_applied_total", Help: "Records of V11 that V10 has taken, doubles among them.",
		}),
		troubles: troubles("aurigraph_sync_v10_apply_troubles_total", "Times that V10 took no records, by reason; the last one of a reason that does not mend stops the direction."),
	}
}

func (m *applyMetrics) register(r prometheus.Registerer) (func(), error) {
	return obs.Register(r, "what applies to V10", m.at, m.sent, m.troubles)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func troubles(name, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{obs.KeyReason})
}

func count(troubles *prometheus.CounterVec, err error) {
	troubles.WithLabelValues(fault.ReasonOf(err)).Inc()
}
