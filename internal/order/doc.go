// SPDX-License-Identifier: Apache-2.0

// Package order is the contract of ordering engines: digests of lane entries go in, decided proposals come out, in height
// order and durable. An engine never sees a payload and cannot know what a transfer is.
//
// Engines are folders below: solo (one node). The conformance suite that each must pass is ordertest.
//
// Invariants every engine keeps:
//
//  1. Heights are consecutive, proposer times strictly increase, and a decided proposal never changes, across restarts.
//  2. A digest that was offered on a live engine is decided exactly once, entries of one offerer in the order offered.
//  3. What leaves Decided is durable on a quorum. What was offered but not decided when the engine stopped is forgotten:
//     the lane, which is durable, offers it again.
//  4. An idle engine makes no proposals and no writes, unless nudged.
package order
