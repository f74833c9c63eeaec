// SPDX-License-Identifier: Apache-2.0

package v10sync

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/sync/control"
)

// gauges say what Status does. What counts records and troubles is registered by each try, in packages bus and v10port.
func (h *Half) gauges() []prometheus.Collector {
	gauge := func(name, help string, value func(*control.Half) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(h.standing()) })
	}
	is := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	return []prometheus.Collector{
		gauge("aurigraph_sync_v10_apply_lag_seconds", "How old what V10 has not applied may be: now less the newest heart-beat that is applied. -1: not known yet.",
			func(s *control.Half) float64 {
				if s.Apply.LagMs < 0 {
					return -1
				}
				return s.Apply.LagMs / 1e3
			}),
		gauge("aurigraph_sync_v10_apply_held", "1 while V10 cannot make a change of V11 and all behind it waits: look at once.",
			func(s *control.Half) float64 { return is(s.Apply.State == control.StateHeld) }),
		gauge("aurigraph_sync_v10_apply_stopped", "1 while V11's changes do not come to V10, with the reason in its status.",
			func(s *control.Half) float64 { return is(s.Apply.State == control.StateTrouble) }),
		gauge("aurigraph_sync_v10_capture_stopped", "1 while V11 is not told of V10's changes, with the reason in its status.",
			func(s *control.Half) float64 { return is(s.Capture.State == control.StateTrouble) }),
	}
}
