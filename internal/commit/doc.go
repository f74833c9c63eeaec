// SPDX-License-Identifier: Apache-2.0

// Package commit is the only writer: it turns decided proposals into published blocks.
//
// A block passes named stages: fetch its payloads, execute, certify (sign and gather a quorum), persist in one atomic
// write, publish. Two goroutines share them, joined by a bounded queue: the executor (fetch, execute) and the persister
// (certify, persist, publish). Beside them a rooter hashes the state when a root is due, and a checkpointer writes
// certified roots' states to disk and lets old segments go.
//
// Invariants:
//
//  1. A block becomes visible only after it is certified and stored, in height order, without gaps. Durable before that are
//     its payloads (lane) and its proposal (order); the store's write follows from these by execution, and is flushed
//     before a checkpoint leans on it. A Certifier whose signature travels to others makes that signature durable itself.
//  2. A header that is executed again, after a restart, must be equal to the stored one; else the node halts: it may never
//     sign two headers of one height.
//  3. Recovery is the normal path: the loop starts from a checkpoint and is fed the decided proposals after it.
//  4. At most DepthMax blocks are executed and not published; at the bound execution waits.
//  5. The rows by which a batch and its outcomes are found outlive its payload by the longest validity window; then they go
//     in the atomic writes of later blocks, a few heights in each, with the record that says how far.
//  6. After any error of the store, the log or the machine the writer stops for good; readers go on.
package commit
