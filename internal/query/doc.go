// SPDX-License-Identifier: Apache-2.0

// Package query answers readers. It never touches the way in: answers come from committed state, from the block store
// and segments, and from the index.
//
// Invariants:
//
//  1. Every answer carries the certified height at which it holds; nothing uncertified is ever shown.
//  2. A current balance is read between two blocks, by the executor itself, and let out when that height is certified; so a
//     payer who has a receipt reads its effect. A proof is made from the newest certified state root and says its height.
//  3. A transaction, leg, batch or block is found without the index. Blocks are listed from the block store,
//     accounts and assets from the state. Transfers are listed from the index, which may lag and says so.
package query
