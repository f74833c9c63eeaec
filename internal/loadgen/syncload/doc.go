// SPDX-License-Identifier: Apache-2.0

// Package syncload measures how a V10 and a V11 keep each other in step: `aurigraph bench sync`.
//
// The pair is the bench's own: four validators, a V10, its half of the sync and a broker, as processes; each ledger owns half of the
// slots. Clients pay on one or on both at once, open-loop, each payer where its account lives, and thousands of accounts are paid by both.
//
//	report, err := syncload.Run(ctx, cfg, launch, progress)
//
// Latency runs from when a client has the answer of one ledger until a client reads the payment from the other: samples have a payee of
// their own, whose balance is read again and again. All payments are measured too, by V10's change log and V11's certified blocks.
// The sustained rate is searched for in bodies of many payments: a rate is kept if what the other ledger lacks is never older than a
// second and does not pile up.
//
// Invariants:
//
//  1. Nothing is assumed. At rest both ledgers are read back from where the measurement began, V10's log and V11's chain, and every
//     payment that was answered must be on both, once, between the same accounts, with the same amount (Book). Balances are read through
//     the clients' door on both and must be what the payments make of those before.
//  2. What a client got no answer for counts too: it is on both ledgers, or on neither.
//  3. The bench's readers share no code with what carries the changes: it has parsers of V10's log and of V11's legs of its own.
//  4. What was not kept is said; a rate counts only if it was kept each way that was paid.
package syncload
