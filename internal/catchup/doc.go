// SPDX-License-Identifier: Apache-2.0

// Package catchup brings a validator back that fell behind what its peers still hold: it takes a certified state from one of
// them, page by page, and proves it before it is used.
//
// A Server gives, a Client takes. Both speak over the transport's Sync class, which has what consensus and batches leave of the
// link; FORMAT.md draws the frames.
//
//	server := catchup.NewServer(catchup.ServerConfig{Dir: checkpoints, Store: blocks, Peers: links, …})
//	client := catchup.NewClient(catchup.ClientConfig{Self: 2, Rules: rules, Dir: dir, Peers: links, …})
//	server.Receive(from, message)                    // asks, on the peer's goroutine
//	client.Receive(from, message)                    // answers
//	height, err := client.Fetch(ctx, catchup.Need{Least: ref.Height, First: leader, …})
//	// … the host closes, and when it opens again, before it reads its state:
//	taken, err := catchup.Open(dir, fs, rules)       // NotFound: nothing was fetched
//	err = taken.WriteAnchor(ctx, checkpoints, blob)
//
// What is taken: an offer names a checkpoint of height H and shows the headers of H to H + chain.RootDelay, of which the last
// carries the state root and a quorum's signatures, then which sections there are. The leaves of all pages follow, and must
// give the root; then the pages, each of which must have its leaf. So a peer can refuse or stall, and cannot make anybody
// take a wrong page: one that tries is dropped for PenaltyTicks, counted by a reason, and another one is asked.
//
// A state travels with the executed headers below it, down to what the node has itself (Need.Known), because an entry may be decided
// a second time long after its payload is gone: who goes on from the state must know what was executed before it. Each header
// is named by the one above, so any peer can give them and none can make one up.
//
// Who computed another header than a quorum certified takes nothing. An Inquiry asks peers for that header, for the table of
// the state root in it, and for the leaves of one section, and so names the first page that differs.
//
// Core is the asking side without the world: a step function from what happened (Input) to what to do (Output), with no
// clock, no I/O and no goroutine. Client is the loop around it.
//
// Why it looks as it does:
//
//   - One peer at a time is asked. Validators write checkpoints at their own times, so a page is seldom the same at two.
//   - Pages lie by section and number in files of their own. What is there is found by its leaf, so a crash, another peer
//     or a newer offer costs only the pages that changed. The node's own newest checkpoint gives what it can.
//   - A buffer that is being served may be overwritten; the peer then says gone, and the newer one is asked for. After
//     gonesMax times an anchor is asked for, which is older and stays.
//   - The state is not put into memory beside the old one: it becomes an anchor, by a copy, when the node is opened anew.
//   - The headers after H come with the offer and are kept beside the chain, not in it: the node executes, signs and
//     stores these heights itself, as any others.
//
// Invariants:
//
//  1. A state is used only if a quorum of the membership signed the header that carries its root, and if the root follows from
//     every page's bytes, once when they arrive and once more when they become a checkpoint.
//  2. Nothing of the node's own changes before the offer is durable beside its pages and headers. From then on Open finds it.
//  3. Serving takes no lock that the writer takes, and no more than ServerConfig.BytesPerSecond of the disk.
//  4. Nothing a peer sends ends a node or takes memory without bound. What is refused is counted by a word.
//
// Bounds: one peer served at a time (others: busy), until sessionIdle passes without an ask; requestsMax asks wait (dropped);
// WindowMax asks of the client are under way; pagesPerFrameMax pages and leavesPerFrameMax leaves in a frame; Rules.PagesMax pages in a
// state (an offer of more is dropped); HeadersMax headers and
// HeadersBytesMax bytes go with a state (older ones are left out); inboxMax answers wait (dropped).
//
// Limits. The membership is the one of Rules: a checkpoint of another epoch is refused. A state whose pages change faster than
// the link carries them is taken from an anchor, behind which the payloads must still be held by a peer. A liar's section table
// is found out when its leaves are here, 32 bytes a page. A peer that answers slowly, but within AnswerWait, is not left. Of what
// lies between the own last height and H only the headers are fetched: package store keeps where these holes are. Headers that
// no peer gives are done without: then nobody here knows what was executed at their heights.
package catchup
