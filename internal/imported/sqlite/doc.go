// SPDX-License-Identifier: Apache-2.0

// Package sqlite keeps V10's imported history in one SQLite file, imported.db.
//
//	w, err := sqlite.Open(ctx, sqlite.Config{Dir: dir}, identity) // for who loads it
//	r, err := sqlite.OpenReader(ctx, dir, identity)               // for who lists from it
//
// Invariants:
//
//  1. While it is loaded the file has another name, which one process has for itself. It gets its own when it is finished, and does not
//     change any more: readers need nothing but the right to read it.
//  2. Loading appends to tables that have no indexes, many rows a statement. Finish then reads the rows once and writes down who has
//     which (table postings).
//  3. Of an account the numbers of its rows lie in sorted blocks, by chunks of rows, so that what is sorted at once has a bound. A block
//     is named by its first entry.
//  4. A transaction is found by its place by halving: rows lie in V10's order.
package sqlite
