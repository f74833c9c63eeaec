// SPDX-License-Identifier: Apache-2.0

// Package pgdb is what all have in common who keep tables in PostgreSQL: which URLs are taken, what an error means, and rows in COPY's
// binary form.
//
//	cc, err := pgdb.Connection(url, "aurigraph-imported")
//	pool, err := pgdb.OpenPool(ctx, pgdb.PoolConfig{URL: url, Program: "aurigraph-imported-reader", What: "…", Connections: 2})
//	err = s.Copy(ctx, conn, `COPY … FROM STDIN (FORMAT binary)`, len(rows), func(e *pgdb.Encoder, i int) { … })
//	reason, again := pgdb.Passing(err)
//
// Invariants:
//
//  1. A password stands in a passfile only, which others may not read. Neither it nor a URL that may have one in it is ever repeated.
//  2. An error that has a kind keeps it. What may pass by itself is Unavailable with a reason that can be counted.
package pgdb
