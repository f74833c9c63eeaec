// SPDX-License-Identifier: Apache-2.0

// Package journal is the contract of where a migration is written down: its entries, who may drive it, and what the report plots. sqlite is
// an engine in a file, for one machine; postgres is one in a database, for controllers on several; journaltest is the suite that each passes.
//
//	j, err := sqlite.Open(ctx, dir)   // --journal is empty
//	j, err := postgres.Open(ctx, url) // it is a URL, postgres://…, whose password stands in a passfile
//	entries, err := j.Read(ctx, 0)
//	e, err := j.Append(ctx, uint64(len(entries)), journal.NoTerm, migration.Entry{By: "alice", Kind: migration.KindStart})
//	term, err := j.Lease(ctx, "controller on host 7", time.Minute)
//	holder, left, err := j.Driver(ctx)
//
// What engines have in common is here: the text of entries (Encode, Decode), and how a lease changes hands (Lease), without a clock.
//
// Invariants:
//
//  1. Entries have numbers from 1 without gaps, and are never changed. Of two who append behind the same entry one succeeds.
//  2. What Append returned is durable.
//  3. At any time at most one term may write; a term that has ended never may again, however late its holder wakes up. Operators write without one.
//     A clock that went back keeps nobody waiting for longer than LeaseMax.
//  4. Windows are bounded (WindowsMax), entries are few: a migration has some hundreds.
package journal
