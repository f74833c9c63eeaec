// SPDX-License-Identifier: Apache-2.0

// Package restore models what a crash and a backup of V10 do to sync: writes that never reached the disk, rows applied and lost again, and a
// whole ledger that goes back to a backup while its old changes are still in Kafka and in V11.
//
// The package move takes V10's disk as it is. Here V10 executes, syncs its log to disk, captures it; V11 applies by incarnation and
// position; V10 applies V11's payments, in memory and then on disk; a backup is taken once, and restored once. Governance
// opens the inbox for the new incarnation, compares the ledgers, brings each what it misses, and opens the slot.
//
// What V10 executed and nobody captured is lost with its disk; no rule can help. What was captured must not be.
//
// Bounds: two payments of one slot, one backup, one restore, Config.Crashes and Config.Moves.
package restore
