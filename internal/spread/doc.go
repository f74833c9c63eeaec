// SPDX-License-Identifier: Apache-2.0

// Package spread makes sure that what is ordered can be had. Each validator cuts a lane of its own and streams its
// entries, with their payloads, to all others. Each of them checks, stores and acknowledges to all. An entry that q
// validators hold durably is available, and only digests of available entries are offered to ordering: a decided digest
// then has its payload on at least q-f honest disks, whatever becomes of who cut it.
//
//	core, err := spread.New(spread.Config{Self: 2, Bounds: spread.DefaultBounds()}, lanes)
//	out := core.Step(spread.PeerEntry{From: 3, Entry: entry}, spread.Ack{From: 1, Position: at})
//	// send out.Send, out.Acks, out.Asks; store what out.Verdicts accepts; offer out.Offer to ordering
//	out = core.Step(spread.PeerStored{Lane: 3, Sequence: 7, Digest: digest})
//
// Core is a step function over entries, digests and sizes; payloads, disk, clock and peers are the caller's. Several
// inputs in one step share one acknowledgement for each peer. FORMAT.md draws the frames.
//
// Streaming: each peer has a window of its own over the own lane, so who is slow holds up nobody else. A window is sent
// again from the last acknowledgement after a reconnect, when the peer asks, and after a silence one entry at a time. Who
// sees a gap, or has room again after it refused, asks the owner once.
//
// Acknowledgements are cumulative and name the digest at their place. One that is ahead of what is here is remembered,
// two for each lane and acker, and counts when the entry arrives and has that digest. They are announced when a peer
// connects and after each AnnounceTicks, for any of them may be lost.
//
// Fetching: the executor names a digest that was decided and whose payload is not here. It is asked for by digest, of
// one peer after the other, each of whom claims to hold it or, if its place is unknown, something that is not here. A
// decided digest proves its entry, so it counts whoever sends it, and an entry that was not decided counts from its
// lane's owner alone: a liar can make nobody take an entry of another's lane. Who lost what was executed long ago asks by
// the line of a header (AskExecuted); the answer goes to its disk, past its core.
//
// A lane that forks: two entries for one place, or an entry that names another parent, are evidence, which is reported
// and kept. From there on the owner's entries are refused until Rejoined; what is here can still become available. If
// ordering decided the other branch, that is fetched and replaces what is here, unless what is here is available.
//
// Invariants:
//
//  1. A digest is offered when q validators hold its entry and all before it, as they said and as far as this node knows
//     the chain; in the lane's order; once in a core's life.
//  2. Two honest nodes have no different available entries at one place, as long as ordering decides what was offered.
//     Among any q there are q-f honest ones, who store one entry for a place and leave it only for one that was decided.
//  3. Nothing is acknowledged before it is durable here together with all before it.
//  4. Nothing that a peer sends ends the core or makes it remember more than Bounds say. What the caller itself reports
//     falsely breaks an invariant.
//  5. The same inputs give the same outputs.
//
// Bounds: entries of a lane between executed and tip, in bytes and number (a peer's are refused and asked for later,
// the own lane presses back); they are forgotten when they are executed and durable, but for KeepEntries own ones, for
// peers that fell behind. Decided entries pass these bounds, MissingMax at a time. What is asked of this node is
// answered for ServeBytes a tick and peer. Evidence is one of a kind for each lane and sender.
//
// What the host does: it checks payload hash and client signature before PeerEntry. It tells Executed only for entries
// whose payload is durable, or when it took a checkpoint. After a restart it gives New each lane's chain behind the
// executed entry; if its disk has two entries for a place, the one stored later replaced the other. It keeps that a lane
// is faulted. It answers a SendEntry whose payload it does not have with nothing. If evidence of kind Ahead names its own
// lane, the disk lost the lane's end: it cuts nothing before it has fetched that.
package spread
