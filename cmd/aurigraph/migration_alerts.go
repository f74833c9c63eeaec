// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/alarm"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// alertsMax bounds a question to a Prometheus.
const alertsMax = 2 * time.Second

// Alerts asks the plan's Prometheus whether it would wake somebody.
func (w *world) Alerts(ctx context.Context, want *migration.AlertsPlan) string {
	if want.Prometheus == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, alertsMax)
	defer cancel()
	rules, err := alarm.Ask(ctx, w.http, want.Prometheus)
	if err != nil {
		return err.Error()
	}
	return alarm.Against(rules, want.Rules)
}
