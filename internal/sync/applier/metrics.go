// SPDX-License-Identifier: Apache-2.0

package applier

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	applied  *prometheus.CounterVec
	batches  *prometheus.CounterVec
	held     *prometheus.CounterVec
	troubles *prometheus.CounterVec
	opened   prometheus.Counter
}

func newMetrics() *metrics {
	counters := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	return &metrics{
		applied:  counters("aurigraph_sync_apply_changes_total", "Changes of V10 that this applier made, by kind.", "kind"),
		batches:  counters("aurigraph_sync_apply_batches_total", "Sync batches with a certified fate, by outcome.", "outcome"),
		held:     counters("aurigraph_sync_apply_held_total", "Tries of changes of V10 that could not be made, by outcome.", "outcome"),
		troubles: counters("aurigraph_sync_apply_troubles_total", "Times that applying began anew, by reason.", "reason"),
		opened: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_sync_apply_opened_total", Help: "Accounts that were opened for V10's changes.",
		}),
	}
}

func (m *metrics) all(a *Applier) []prometheus.Collector {
	gauge := func(name, help string, value func(Status) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(a.Status()) })
	}
	return []prometheus.Collector{
		m.applied, m.batches, m.held, m.troubles, m.opened,
		gauge("aurigraph_sync_apply_lag_seconds", "How old what is not applied may be: now less the newest heart-beat that is applied. -1: not known yet.", func(s Status) float64 {
			if s.Lag < 0 {
				return -1
			}
			return s.Lag.Seconds()
		}),
		gauge("aurigraph_sync_apply_position", "Major position up to which V10's changes are applied.", func(s Status) float64 { return float64(s.Position.Major) }),
		gauge("aurigraph_sync_apply_held", "1 while a change of V10 cannot be made and all behind it waits: look at once.", func(s Status) float64 {
			if s.Held != nil {
				return 1
			}
			return 0
		}),
	}
}
