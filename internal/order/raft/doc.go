// SPDX-License-Identifier: Apache-2.0

// Package raft is the ordering engine of a network of several validators: one of them leads and proposes, a majority
// makes each proposal durable, and all decide the same history. The algorithm is go.etcd.io/raft; disk, peers, clock and
// reader around it are ours.
//
//	log, err := seglog.Open(dir, seglog.Options{Name: "order", …})
//	engine, err := raft.Open(ctx, log, state.Height, raft.Config{Self: 2, Genesis: raft.Genesis{Voters: …}, Peers: links})
//	go engine.Run(ctx)
//	engine.Receive(from, frame)                     // for each frame of a peer
//	engine.Offer(digest)                            // ordered here, or by the leader
//	for p := range engine.Decided() { … }
//
// Core is the engine without the world: a step function from what happened (Input) to what to do (Output), over the
// library's RawNode. Engine is the loop around it: one goroutine that steps, sends and hands records to the log, and one
// that delivers. A simulator drives cores without the loop; a core that is given the same inputs does the same. The one
// thing it draws is the library's election jitter, which comes from crypto/rand.Reader: who wants runs to repeat
// replaces that variable with a seeded reader.
//
// Proposals are entries of the replicated log; the entries that the library adds itself have no height. The leader cuts
// a proposal at its own clock, but never at or before the time of the entry in front of it, whoever proposed that. Up to
// WindowMax proposals are on their way at once. The leader sends an entry to its peers while it writes it itself;
// whatever says "I have it" or "I vote" leaves a node only after the record behind it was flushed, and one flush serves
// all that gathered during the one before. Of answers that gathered the last one says it all; one that would only repeat
// the answer before waits for the next tick. FORMAT.md draws records and frames.
//
// Invariants:
//
//  1. Heights and times: those of package order, on every node, over any change of leader. A node takes no entry into its
//     log whose height or time does not follow the entry before it.
//  2. An own digest is kept, and forwarded again to each new leader and after each RetryInterval without progress, until
//     it is decided. A leader takes an offerer's digests in order and without gaps, offerers in turn, and passes over
//     what its log or the recent past holds. So the first occurrences of an offerer's digests are decided in its order;
//     a digest may be decided twice when a leader changes, and the executor drops what does not follow in its lane.
//     With Config.OfferedEverywhere nothing is forwarded, and a leader orders only what was offered to itself.
//  3. Nothing a peer sends ends a node. The library trusts its peers and panics where one lies: check refuses what it must
//     not see, by a word that is counted. A panic all the same halts the engine, not the process.
//  4. Silence is free: an idle network exchanges heartbeats only. A commit index alone is not written, for the next leader
//     says it again; what the host executed counts as committed at the next start.
//  5. Who falls behind what the leader's log holds gets a snapshot by reference: index, height, time, members, and up to
//     RefBytesMax bytes of the leader's host. It is not taken before the own host fetched and proved a checkpoint there.
//
// Safety against a liar does not rest here but on the certificates of package commit: a lying leader can stop progress
// or leave out a lane, which OnUnordered reports after a second, and cannot make two certified histories.
//
// A leader that hears of no quorum for an election timeout steps down. Who voted for it counts as heard of, so a network whose answers take
// up to nearly two election timeouts has a leader that stays.
//
// A node whose disk is full or slow waits in the middle of its loop: it answers nobody, and if it led, another one does.
//
// What the host does: it keeps a certified checkpoint at or above what it lets Trim forget; in FetchSnapshot it gets a
// peer's checkpoint at the height asked for or above, continues from it, and calls Withdraw for own digests executed in
// it; it ignores a decided height at or below its state; after a restart it offers again what its lane holds and its
// state does not, in order; it authenticates the sender of each frame. If its state came from a checkpoint of a peer it
// says so in Config.Fetched, for otherwise a log that ends below the state was lost, and its node might vote twice.
//
// Bounds: PendingMax own digests (Offer: TryLater), as many of each peer on the leader (the rest is forwarded again),
// RecentMax decided digests remembered, InboxMax frames and 1 MiB of each peer (dropped), 4 MiB of entries in memory (older ones are read from
// the log), 16 MiB of records on their way to the disk (the loop waits), 256 KiB of decided proposals not read.
//
// Members are fixed by the genesis so far: the log and snapshots carry the member list, entries that change it are
// refused.
package raft
