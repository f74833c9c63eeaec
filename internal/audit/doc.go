// SPDX-License-Identifier: Apache-2.0

// Package audit proves a stopped node's folder: that every byte in it is what was written, and that what was written
// follows from the genesis, the clients' signatures and the rules of the ledger alone.
//
//	report, err := audit.Run(ctx, dir, audit.Options{})
//	if err == nil && !report.OK { … report.Problems … }
//
// The stages, each of which names what it finds and lets the next ones go on where that makes sense:
//
//  1. Bytes: segments, checkpoints, block store and index are read whole against their own checksums; a file that nobody
//     knows is a problem.
//  2. Chain: every header stands on the one before and on its proposal, carries a quorum's signatures, and its outcome
//     arrays and places are there.
//  3. Lane: every payload hashes to its id, is signed by a key that the ledger had at that height, and follows the entry
//     before.
//  4. Execution: from genesis, or from the anchor at which the retained history begins, the decided proposals run through
//     exec.Machine, the path that made them. Each header comes out equal, byte for byte; each checkpoint on the way has
//     the root, and each row of the block store is one that commit.Record writes, with none missing and none more.
//  5. Index: its rows are those of the chain, as far as it has them; of recycled payloads, what outcomes and headers tell.
//
// Invariants:
//
//  1. The folder is not changed, except that a missing LOCK file is made. The engine of the block store writes when it
//     opens, so a copy in the system's temporary folder is opened instead; of the index, if a crash left its journal.
//  2. What is wrong with the folder is a Problem, never an error: an error says that the question could not be asked (a
//     node runs, a disk cannot be read, ctx ended).
//  3. Memory is bounded: payloads in flight by the log reader's pool, findings by problemsMax, row sums by bucketsMax.
//
// Limits. What a crash takes from the end of a log cannot be told from damage that does the same; so only after a clean
// stop, which seals the block store, is a torn end a problem. Heights below the start of re-execution keep their headers and
// certificates, which are checked, but nothing is left that proves their transaction index and their versioned holdings.
// Their outcomes and places are checked as long as they are kept: below the height that the store's record names, all of
// them must be gone.
package audit
