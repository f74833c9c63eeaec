// SPDX-License-Identifier: Apache-2.0

// Package lane is a validator's chain of cut batches: each entry names its parent's digest, so a fork of a lane is visible
// to all, and lies durable in pre-written segments before its digest is offered to ordering.
//
// The payload's bytes are written, hashed and executed in place: one buffer from the network edge to the disk and the
// ledger. A lane keeps the buffers of entries that are stored but not yet executed, and finds older ones on disk.
//
// Lane is the own lane, and the log in which the entries of all validators lie mixed, so that one flush serves all that
// came meanwhile. A network of one needs no more. Relay is the lane among several: it streams own entries to the others,
// stores and acknowledges theirs, offers to ordering what a quorum holds, and fetches what was ordered and is not here.
// What to do is decided by package spread, a step function; Relay is the disk, the memory and the frames around it.
//
//	relay, err := lane.OpenRelay(ctx, log, lane.RelayConfig{Self: 2, Peers: links, Offer: engine.Offer, …}, epoch, lanes, executed)
//	go relay.Run(ctx)
//	relay.Receive(from, kind, bytes, frame)         // for each frame of a peer, on the peer's goroutine
//	relay.Append(ctx, lane.Item{…})                 // from the door
//	relay.Want(proposal.Entries)                    // ordered: what does not come by itself is asked for
//	s, err := relay.Fetch(ctx, digest)              // waits until it is on this node's disk
//	at := relay.Executed(entries)                   // how far the log is executed, for a checkpoint
//	relay.Forget(digest)                            // published
//
// Invariants:
//
//  1. Own entries have consecutive sequences from 1 and each names its parent; the log's order is the own lane's order.
//  2. OnDurable is called once an entry, an own one in lane order, after its bytes are on disk, and never for an entry that
//     is not, nor for an own one behind it.
//  3. Bytes held in memory are bounded by the buffers' pools, one for the doors and one for the others' entries: a full
//     pool of the doors holds up the doors, not the lane; in the other, what is on disk gives its memory up. What is wanted
//     and on disk only is read back ahead of its execution, aheadBytesMax at a time.
//  4. What Fetch returns with a payload is on this node's disk.
//  5. Every record up to and including the Position that Executed gives is executed, or lies once more behind it, so a log that
//     begins there is enough to go on from.
//
// A peer that fell behind is given entries that were executed, as far back as the olderMax newest ones, while the log still holds
// them.
//
// What a validator that died left behind would keep the log from being recycled for ever, so Carry writes it again at the
// log's end once it is older than the retention. What a disk lost, Heal fetches from the others and puts back in its place,
// while the log is not open.
package lane
