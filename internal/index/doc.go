// SPDX-License-Identifier: Apache-2.0

// Package index keeps the transfers of certified blocks where they can be listed by account: the contract of that index,
// and the follower that feeds it from a Source, in a node or at a gateway. Packages index/sqlite and index/postgres are engines; package
// index/indextest says what every engine, and every Source, must do.
//
// Invariants:
//
//  1. The index is made from the chain alone. It may be deleted and is built again, as far as payloads are retained.
//  2. Exactly once: rows and the position behind them are one transaction. A position is a batch of a block, so that a block
//     of half a million rows is no transaction of that size.
//  3. Nothing waits for the index. It lags, says by how many rows, and works at the engine's Pace, in this process at most a fifth of the time; where
//     retention overtook it, it records a gap and goes on behind it.
//  4. An index may know blocks that a power cut took from the block store. They are executed again; the follower waits for
//     them and repeats nothing. An index of another history is told by its newest block and transfer, and is not written
//     to.
//
// Compare tells an index that lags from one that lies; offline verification uses it.
package index
