// SPDX-License-Identifier: Apache-2.0

// Package lane is a validator's chain of cut batches: each entry names its parent's digest, so a fork of a lane is visible
// to all, and lies durable in pre-written segments before its digest is offered to ordering.
//
// The payload's bytes are written, hashed and executed in place: one buffer from the network edge to the disk and the
// ledger. A lane keeps the buffers of entries that are stored but not yet executed, and finds older ones on disk.
//
// Invariants:
//
//  1. Entries have consecutive sequences from 1 and each names its parent; the log's order is the lane's order.
//  2. OnDurable is called once an entry, in lane order, after its bytes are on disk, and never for an entry that is not, nor
//     for one behind it.
//  3. Bytes held in memory are bounded by the buffers' pool: a full pool holds up the door, not the lane.
package lane
