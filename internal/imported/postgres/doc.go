// SPDX-License-Identifier: Apache-2.0

// Package postgres keeps V10's imported history in PostgreSQL, in the schema aurigraph_imported of the database that has the query index.
//
//	w, err := postgres.Open(ctx, postgres.Config{URL: url}, identity) // for who loads it
//	r, err := postgres.OpenReader(ctx, url, identity)                 // for who lists from it
//
// Invariants:
//
//  1. A chunk is one transaction that begins with a compare-and-set on the number of rows: who is second finds it changed, reads anew, and
//     passes over what is there. A commit without an answer is found out the same way.
//  2. Rows lie in partitions by number, which have no indexes before Finish: number (unique), payer and number, payee and number.
//  3. What may pass by itself (serialization, deadlock, lost connections, restarts) is tried again, AttemptsMax times with growing pauses.
//  4. Readers see nothing before the history is finished, and it does not change after that.
//  5. A transaction is found by its place in a few looks that narrow down where it can be: rows lie in V10's order.
package postgres
