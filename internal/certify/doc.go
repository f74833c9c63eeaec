// SPDX-License-Identifier: Apache-2.0

// Package certify makes finality certificates in a network of several validators: each signs the executed header of a
// height once, sends its signature to the others, and gathers a quorum's.
//
// Safety against a lying validator rests here and not on the ordering engine. Two certificates of one height over
// different headers need more than f honest validators who signed both, and an honest one signs one.
//
//	log, err := seglog.Open(dir, seglog.Options{Name: "votes", Reserve: true, …})
//	c, err := certify.Open(ctx, log, published, certify.Config{Self: 2, Members: members, Header: key, Root: key, Peers: links})
//	go c.Run(ctx)
//	c.Receive(from, frame)                    // for each frame of a peer, on the peer's goroutine
//	c.Sign(ctx, header, hash)                 // once executed; several heights may be on their way
//	cert, err := c.Await(ctx, header.Height)  // once a height, in order
//
// Core is the rules without the world: a step function from what happened (Input) to what to do (Output). It has no
// clock, no disk and no keys, so a simulation drives many of them in one goroutine. Certifier is the world around it. It
// has no queue of its own: who brings something (the executor, a peer's reader, the log's writer) steps the core under a
// lock. A peer's signatures are verified before that, outside the lock, on the goroutine that brought them.
//
// Invariants:
//
//  1. A node signs one header hash per (epoch, height). The vote is durable before it leaves the node, also as part of a
//     certificate. After a restart the same bytes are sent again; another hash for the height is Halted, and so is a
//     height whose votes the log let go.
//  2. Await returns a height only after the own vote of it is durable. So a vote log that ends below the published height
//     has lost its end, and Open refuses it.
//  3. A certificate holds q valid signatures of different members over the hash that this node itself computed. Where the
//     header carries a state root, each of them signed that root too.
//  4. When q validators signed another hash, this node is the one that is wrong: Diverged, and it halts. It takes that from
//     their own votes, or from f+1 peers who show certificates of one other header. When no hash can reach q any more the
//     height is reported as stuck, once.
//  5. Two hashes signed by one validator for one height are evidence. Its first vote counts, the second never does.
//  6. Nothing a peer sends ends a node or takes memory without bound. What is refused is counted by a word.
//
// A vote travels once. After RetryInterval without a certificate it is sent again, and peers are asked for theirs
// (Wanted). A node that sees peers far ahead asks at once: f+1 of them, for one of these is honest.
//
// A signature is over the header's hash, which covers epoch and height; the numbers beside it are the sender's word. An
// honest sender's are right, and the transport authenticates the sender: so votes count from their signer alone, one
// peer's certificate of another header halts nobody, and evidence convinces the node that took it. To convince others
// the headers behind both hashes must be shown with it.
//
// A node that signed a wrong header stays halted at that height, also when it computes the right one later: it goes on
// from a peer's checkpoint above all that it signed (Newest, Config.Fetched). Whether it may is the host's to decide: the
// record of a vote also says what was decided, so that a node which was told another order can be known from one whose state
// is damaged, also after a restart (OnDiverged, OnContradicted).
//
// What the host does: it authenticates the sender of each frame; it calls Await in height order, and so says that all
// below is published and that Config.Stored finds it; it calls Trim only for heights that its durable state is past; it
// tells Config.Fetched when its state came from a checkpoint of a peer; it keeps evidence that must outlive the process
// (AppendEvidence), and verifies it when it reads it back (Membership.VerifyEvidence).
//
// Bounds: WindowMax heights ahead of the published one (refused), one vote of each validator in a height, TailMax heights
// behind it, EvidenceMax pieces of evidence on each validator (counted, not kept), wantedPerTickMax answers to each peer
// in a tick (refused), resentPerTickMax heights sent again in a tick, 1 MiB of votes on their way to the disk (Sign waits).
package certify
