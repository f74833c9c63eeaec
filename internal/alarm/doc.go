// SPDX-License-Identifier: Apache-2.0

// Package alarm asks a Prometheus whether it would wake somebody: whether it has the alerts that are wanted, works them out, and none of those that
// wake people is firing now.
//
//	rules, err := alarm.Ask(ctx, http.DefaultClient, "http://prometheus:9090")   // its alerts, as it has them
//	why := alarm.Against(rules, []string{"MigrationReversed"})                   // why they are not ready; empty: they are
//
// Invariants:
//
//  1. No answer, half an answer and an answer of something else are errors: what cannot be asked is never "nothing is firing".
//  2. An alert that is there and not worked out counts as missing: an expression that fails, or a server that has stopped evaluating.
//  3. Times are compared on the server's clock alone, so that clocks may be apart.
package alarm
