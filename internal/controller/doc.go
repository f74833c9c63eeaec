// SPDX-License-Identifier: Apache-2.0

// Package controller drives a migration: it looks at the world, asks package migration what is next, does that, and writes down what came of it.
//
//	err := controller.Run(ctx, controller.Config{Journal: j, World: w, Holder: "pid 17 on host 7", Log: log})   // until ctx ends
//
// Operators do not talk to it: what they want they write into the journal, and it reads that at its next look. So it needs no door, and can be killed
// and started anywhere. Several may run: one has the journal's lease, the others wait for it.
//
// Invariants:
//
//  1. One action is under way at a time. Another one that is more urgent ends it first; a gate that no longer holds does not.
//  2. It writes only under its lease, and stops what is under way when the lease is lost. A move that goes on in its last moment does no harm: the
//     ledger compares versions, and whoever drives next brings the weight to what the journal says.
//  3. Requests are judged in windows that do not overlap, from when the step's weight is reached. What ended while nobody looked is not judged.
package controller
