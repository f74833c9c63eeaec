// SPDX-License-Identifier: Apache-2.0

// Package imported keeps the transactions and rounds that V10 executed before the copy that V11 began with: its history up to there, as
// V11 knows it, with the numbers of accounts and assets instead of names.
//
//	w, err := imported.…Open…(ctx, …)           // an engine: imported/sqlite or imported/postgres
//	rows, rounds, err := w.Next(ctx)            // where to go on
//	err = w.Rows(ctx, rows, chunk)              // and so on, chunk after chunk
//	err = w.Finish(ctx)                         // indexes are made now: loading is bare
//
// Invariants:
//
//  1. Rows have the numbers 1, 2, 3 … in V10's order. A chunk and its end are written as one: what was written is written again by
//     nobody, whatever is killed.
//  2. A chunk that begins below the end is passed over as far as it is there; one that leaves a gap is a Conflict.
//  3. After Finish nothing is added.
//  4. It belongs to one network: a file or database of another is refused.
package imported
