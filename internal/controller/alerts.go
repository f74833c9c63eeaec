// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/migration"
)

// alertsEvery is how old what a Prometheus said may be: it has a question less to answer for each window.
const alertsEvery = 5 * time.Second

// alerts is what the plan's Prometheus said.
type alerts struct {
	at  time.Time
	why string
}

// askAlerts fills in what only the cutover wants to know.
func (d *driver) askAlerts(ctx context.Context, f *migration.Facts) {
	if want := &d.state.Plan.Alerts; want.Prometheus != "" && d.state.Phase == migration.Cutover {
		if time.Since(d.alerts.at) >= alertsEvery {
			d.alerts.why = d.cfg.World.Alerts(ctx, want)
			d.alerts.at = time.Now()
		}
		f.Alerts = d.alerts.why
	}
}
