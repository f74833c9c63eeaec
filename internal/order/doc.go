// SPDX-License-Identifier: Apache-2.0

// Package order is the contract of ordering engines: digests of lane entries go in, decided proposals come out, in height
// order and durable. An engine never sees a payload and cannot know what a transfer is.
//
// Engines are folders below: solo (one node), raft (several, a minority of which may stop). The conformance suite
// that each must pass is ordertest.
//
// Invariants every engine keeps:
//
//  1. Heights are consecutive, proposer times strictly increase, and a decided proposal never changes, across restarts and
//     over changes of leader. All engines of a network decide the same proposals.
//  2. A digest that was offered on a live engine is decided at least once. The first occurrences of one offerer's digests
//     come in the order offered. While nobody fails each is decided exactly once, and solo always does so; a change of
//     leader may decide a digest again: the executor drops what does not follow in its lane.
//  3. What leaves Decided is durable on a quorum. What was offered but not decided when the engine stopped is forgotten:
//     the lane, which is durable, offers it again, in its order.
//  4. An idle engine makes no proposals and no writes, unless nudged. Several nodes that nudge at one height ask for one
//     proposal.
package order
