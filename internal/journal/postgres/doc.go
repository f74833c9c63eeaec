// SPDX-License-Identifier: Apache-2.0

// Package postgres keeps a migration's journal in PostgreSQL, in the schema aurigraph_migration: for controllers and operators on several
// machines. FORMAT.md has the tables.
//
//	j, err := postgres.Open(ctx, "postgres://user@host/database?sslmode=verify-full&passfile=/path")
//
// Invariants:
//
//  1. Whether a lease has ended says the database's clock, and no other: controllers may be as far apart as they like.
//  2. Who writes holds the lease's row until the commit, so a lease cannot change hands between the look at it and what is written under it.
//  3. A commit without an answer is a Timeout: whether the entry is there says Read. What failed before that was not written.
//  4. A call ends after callMax, whatever the server or the net does.
package postgres
