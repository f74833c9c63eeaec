// SPDX-License-Identifier: Apache-2.0

// Package copier brings what a running V10 has into a V11 that begins beside it: accounts, assets, balances, the idempotency keys that
// live, and the history of transactions and rounds. It copies a checkpoint of V10 at a sequence S of its log; what V10 does meanwhile
// comes behind it, by the sync's tail from S.
//
//	report, err := copier.Run(ctx, copier.Config{Changes: "http://127.0.0.1:4005", Client: c, Signer: k, Dir: dir, …})
//	status, err := copier.ReadStatus(dir)          // from another process
//
// A copy is the beginning of the order of V10's changes (chain.CopyBegin to chain.CopyEnd): sync batches of which the ledger takes each
// once. Which change has which number follows from the checkpoint alone (layout), so the inbox says how far the copy is, and the copier
// keeps nothing that a crash could part from it: only which checkpoint it is of (state), and where its accounts' numbers begin.
//
// What is read from the checkpoint is the format of the V10 reference ledger (legacy/ledger/FORMAT.md); Rows is all that is needed of its
// engine. History goes to an imported.Writer row by row, and the chain has a digest and a sum of each piece (docs/initial-copy.md).
//
// Invariants:
//
//  1. Killed anywhere and started again it goes on, and the result is the same: nothing is in the ledger twice, no row of the history is
//     missing or doubled.
//  2. The end is written only when V10's own sums are right and V11 answers the same supply for each asset, every row of the history is
//     in the writer, and every account's name is in the vault. Otherwise the copy fails, and nothing of V10's is applied after it.
//  3. A copy is of one checkpoint. If that is lost before the end the copy cannot go on, and says so: V11 has to begin anew.
//  4. A piece of history is in the chain only after its rows are in the writer.
//  5. V10 goes first: while its answers take longer than Pace.LatencyMax the copy slows down.
//  6. Memory is bounded by the accounts (their names, and 12 B each), FlightsMax batches and a few pieces of history.
//  7. No name of V10's is in a log, an error, the state file or the chain.
//
// It is a tool: it works through the public client, as anybody who holds the inbox's key could.
package copier
