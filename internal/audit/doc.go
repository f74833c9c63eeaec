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
//  2. Epochs: from the genesis on, each handover in the block store is proved by a quorum of the epoch before. So it is known
//     who validated when, and all that follows is checked against the members of its epoch.
//  3. Chain: every header stands on the one before and on its proposal, carries the signatures of a quorum of different
//     members, and its outcome arrays and places are there.
//  4. Votes, among several validators: what this node signed for a height of an epoch is the header that was certified, once.
//  5. Lanes: every payload hashes to its id, is signed by a key that the ledger had at that height, and its entry follows
//     the one before in its lane.
//  6. Execution: from genesis, or from the anchor at which the retained history begins, the decided proposals run through
//     exec.Machine, the path that made them. Each header comes out equal, byte for byte; each checkpoint on the way has
//     the root, and each row of the block store is one that commit.Record writes, with none missing and none more.
//  7. Order: the ordering log has each published proposal that it must still have, as it was executed.
//  8. Index: its rows are those of the chain, as far as it has them; of recycled payloads, what outcomes and headers tell.
//
// The proposals are those of the block store, since headers name their hashes. Of one validator the log of its lane has the
// entries in their order. Of several, all lanes lie mixed in one log: an entry is taken by its digest, and may lie before or
// after others of its block, twice, or never be ordered. One that the header leaves out was passed over; it must be in a
// header before, or here and not the next of its lane. An undecided end of the ordering log is no problem.
//
// Execution passes the end of an epoch as the network did: after a block that changed the membership its state, whose root is in
// its own header, begins the next one; after a seal the handover alone says who the members are and what root their first state
// has. What was ordered, signed or put on a lane for an epoch and not executed in it is void. The last heights before a seal may
// have no certificate of their own, nor a vote of this node: the seal names the last header, and that the ones before. Of ordering
// logs the newest one counts; those of epochs that ended may be gone.
//
// A node that went on from a peer's state lacks the heights before it. The store's record says which, and a note repeats it;
// the certificates behind the hole prove what follows, and the index is not compared.
//
// Invariants:
//
//  1. The folder is not changed, except that a missing LOCK file is made. The engine of the block store writes when it
//     opens, so a copy in the system's temporary folder is opened instead; of the index, if a crash left its journal.
//  2. What is wrong with the folder is a Problem, never an error: an error says that the question could not be asked (a
//     node runs, a disk cannot be read, ctx ended).
//  3. Memory is bounded: payloads in flight by the log reader's pool, entries that wait for their block by heldBytesMax and
//     heldEntriesMax, findings by problemsMax, row sums by bucketsMax. Of each record behind the first that is not executed
//     its place is kept, and of each entry of a replicated ordering log.
//  4. No secret is needed: of key files the public part is read, if they are there.
//
// Limits. What a crash takes from the end of a log cannot be told from damage that does the same; so only after a clean
// stop, which seals the block store, is a torn end a problem. Heights below the start of re-execution keep their headers and
// certificates, which are checked, but nothing is left that proves their transaction index and their versioned holdings.
// Their outcomes and places are checked as long as they are kept: below the height that the store's record names, all of
// them must be gone. What a node keeps of a seal in which it took part is not examined: its next start does that.
package audit
