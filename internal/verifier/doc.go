// SPDX-License-Identifier: Apache-2.0

// Package verifier compares a V10 and a V11 that are kept in step, row by row, and each with itself.
//
//	report, err := verifier.Scrub(ctx, verifier.Config{Dir: work, AliasKey: key, Secret: drawn}, cuts)
//	err = verifier.SaveReport(dir, report, signer)
//
// It reads three things of one moment, a Cut: V10's rows out of a checkpoint (KV), V11's certified state (State, package v11state), and
// V11's tables, the query index and the history that was copied from V10 (Rows, package v11rows). What it knows of their formats is in
// FORMAT.md of legacy/ledger and in the tables' definitions; it shares no code with those who write, copy or apply, because what they
// would all get wrong together must show.
//
// How, in bounded memory:
//
//   - Names and numbers become hashes under a secret of the run. Accounts are joined by their alias tags through files.
//   - Transactions of both sides are walked at once in their one order (pairing). V10's rounds are hashed again on the way, so that a row
//     that differs is known to be V10's fault or V11's. Rows that follow from transactions are walked beside that (derived).
//   - That a balance is the sum of its entries, and a row by account or hash follows from another, is compared by sums of 65,536 buckets
//     (Sketch, Marks). What is in a bucket that differs is counted exactly afterwards (drill).
//   - A row that was found to be wrong is taken out of the sums before they are looked into: what is left is wrong by itself.
//
// Both ledgers take payments meanwhile, so balances of the two are never compared with each other: each is compared with its own entries,
// and the entries with each other.
//
// Invariants:
//
//  1. Nothing of a ledger is changed. A plan says what people or other commands would change.
//  2. What differs once is "maybe". Only what is found again, from new cuts, after twice the lag and at least 2 s, is confirmed.
//  3. Every finding has a kind of kinds.go; what has none is a fault of the program.
//  4. All findings are counted; KeptPerKindMax of a kind are kept.
//  5. No name of V10's is in a finding: accounts are by number, or by a hash that means something within one run only.
//  6. Memory does not grow with the ledgers: tables lie in files, and of the rest everything has a bound.
package verifier
