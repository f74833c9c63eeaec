// SPDX-License-Identifier: Apache-2.0

// Package transport carries frames between the validators of one network.
//
// Why own frames on TLS and no RPC: a validator sends either very small things that must be fast (votes) or half a
// megabyte that must be cheap (batches). Bulk over gRPC costs three to five times as much as a length before the bytes.
// The three classes never share a connection, so a batch under way does not hold up a vote.
//
//	t, err := transport.Listen(transport.Options{Chain: id, Self: 0, Address: ":7070", Identity: identity, …})
//	err = t.SetPeers(epoch, peers)                     // again whenever the membership changes
//	err = t.Start(receiver)                            // dials for ever, and accepts
//	err = t.Send(3, transport.Consensus, kind, vote)   // copies; never blocks
//	buffer.Retain()
//	err = t.SendOwned(3, transport.Batches, kind, entry, buffer) // one payload for all peers, not copied
//
// Who sends dials: each validator keeps one connection per peer and class for what it sends, and accepts the peer's own
// for what it receives. So two that dial at the same moment never cross, and each side decides alone when to reconnect.
// FORMAT.md draws the bytes.
//
// Invariants:
//
//  1. Only a certificate of the network's authority that names chain and validator gets in, and only as that validator,
//     if it is a peer now. All else is refused, counted by reason, and written to the log once an interval.
//  2. Delivery is at most once, and in order for one sender and class. A lost connection loses what was under way; the
//     protocols above ask again. What this side drops is counted by class and reason; what the network swallowed is not
//     known here.
//  3. Send never blocks. A queue per peer and class is bounded in bytes and frames. At the bound Batches and Sync say
//     TryLater; Consensus drops its oldest frame, because a newer vote supersedes it.
//  4. A peer that was not reached for DeadAfter keeps no memory: its queue is dropped, and sends to it say TryLater until
//     it is there again.
//  5. Receiver.Frame is never called twice at once for one sender and class. While it does not return, nothing more is
//     read: that is the back-pressure, and it reaches the sender's queue through the kernel's buffers.
//  6. A frame that is malformed or over its class's bound ends its connection, and no other.
//  7. Sync gets what the link has left, and never less than a twentieth of it.
//  8. After Close no goroutine and no reference to a Body is left.
//
// TLS is 1.3 alone, with the post-quantum key exchange that Go prefers; the certificates are classical. A connection ends
// and is made anew before its keys have sealed as many records as AES-GCM is good for, since Go's TLS never changes keys.
//
// The package transporttest has the same Transport in memory, pumped by the test, with faults.
package transport
