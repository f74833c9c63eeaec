// SPDX-License-Identifier: Apache-2.0

// Package watch compares V10 and V11 while both go on: what each did against what the other made of it, every 10 seconds.
//
//	err := watch.Run(ctx, watch.Config{V10: "http://127.0.0.1:4005", V11: c, Aliases: key, Tell: func(r watch.Report) { … }})
//
// Balances of two ledgers that both take payments are never equal at one instant, so rows are compared, per origin: the transactions
// and rounds that V10 executed with the legs that V11 executed for them, and V11's transactions and blocks with the rows that V10
// wrote for them. It reads V10's own change log and V11's certified chain, and nothing that capture, brokers or applier touched: a
// change that they lost, doubled or altered is in one of the two and not in the other.
//
// Each row is hashed under a key of the run (keyed BLAKE3) and summed into one of 65,536 buckets by its id, + where it was executed, - where
// it was applied. Sums are of 128 bits, so two rows do not cancel each other, and nobody who lacks the key can make rows that do. At a
// barrier both logs are cut at the same place, and all sums must be zero.
//
// V10's barriers are those of its log: Run has one written every 10 seconds, and V11's chain has it as a change of its own. V11's are
// the boundaries of 10 seconds of block time, which its headers and V10's copies of them name alike.
//
// Level 0 is the chain of the records between them: Links checks what lies in the topics, record by record (ReadTopics).
//
// Invariants:
//
//  1. Sums are compared only of rows up to one barrier, wherever the two logs stand. Equal streams in any interleaving are equal at
//     every barrier.
//  2. A difference is "maybe" at its first barrier and confirmed at the next: a row that crossed the barrier has come by then, and is
//     counted as reordered.
//  3. Memory is bounded: the sums of what is compared and of at most IntervalsMax intervals under way; of rows that have no counterpart
//     yet at most WindowMax ids, above which only buckets are told; facts of at most FactsMax accounts.
//  4. Sides that are far apart are compared at fewer barriers, never wrongly: the intervals of the one ahead grow together.
//  5. A log that has a gap, another incarnation, or rows of an unknown kind ends the run with the reason. A run that starts says nothing of
//     what lies before its first barriers: that is the scrub's.
//  6. Names are hashed where they are read and told nowhere.
package watch
