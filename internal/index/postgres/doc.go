// SPDX-License-Identifier: Apache-2.0

// Package postgres keeps the query index in a PostgreSQL database: the engine for lists that outgrow one machine, or that others
// query by SQL.
//
//	db, err := postgres.Open(ctx, postgres.Config{URL: "postgres://indexer@db.example/aurigraph?sslmode=verify-full&passfile=/etc/aurigraph/pgpass"}, id, genesis)
//
// All is in the SQL schema "aurigraph" of the database, made and brought up to date by the migrations in this package. Transfers are
// numbered in the order of the chain and lie in partitions of equal size by that number, so each partition is a range of heights,
// whatever the load was. The indexes by account are ordered by chunks of a partition, so that what is new lies together. "SELECT
// aurigraph.drop_below(height)" lets old partitions go, a moment each. docs/runbooks/index-lag.md is for who runs it;
// docs/adr/0026-postgres-index.md says why it is so.
//
// Invariants:
//
//  1. Exactly once: the rows of a group, its partitions' heights and the position behind it are one transaction, which begins with a
//     compare-and-set on the position. A commit whose answer was lost is found out by reading the position again.
//  2. One writer: a session lock keeps a second one waiting. Whoever gets it takes the next writer number, and the compare-and-set
//     includes that number, so one that lost its session, and does not know, writes nothing.
//  3. What passes by itself (serialization failures, deadlocks, lost connections, a server that restarts or fails over, a full disk)
//     is tried again AttemptsMax times with growing pauses, and is then Unavailable: the follower waits, and tries again.
//  4. Readers have a pool of their own and a statement timeout, read one snapshot an answer, and see whole blocks only.
//  5. The database says of which chain it is. One of another chain, or of a newer version, is a Conflict and is not written to.
//  6. No password is in an argument, a log or an error: it comes from a passfile, and a URL with one is refused unread.
//
// Bounds: one connection for writing and ReadersMax for reading; GroupRows rows a transaction, and those of one batch more;
// ProbesMax statements an answer.
package postgres
