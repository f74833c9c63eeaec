// SPDX-License-Identifier: Apache-2.0

// Package v11rows reads the tables of V11's query index, and of the history that was copied from V10, for the verifier: out of SQLite files
// or out of PostgreSQL.
//
//	r, err := v11rows.OpenSQLite(dir, other)      // the folders of index.db and imported.db
//	r, err := v11rows.OpenPostgres(ctx, url)
//	m, err := r.Meta(ctx)
//	n, err := r.Transfers(ctx, after, rows)       // and so on, until n is 0
//
// Its statements and what reads their answers are its own; of those who write the tables it uses nothing. So what they would all get
// wrong together shows.
//
// Invariants:
//
//  1. It changes nothing. No statement runs longer than it takes to read one piece of rows, so nobody who writes waits for it.
//  2. A value that is of another type than its column, or out of range, does not end the reading: the row says what is damaged in it.
//  3. A table of another version of the program is Refused.
package v11rows
