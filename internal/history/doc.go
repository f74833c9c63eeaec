// SPDX-License-Identifier: Apache-2.0

// Package history reads the durable past: blocks by height, receipts by id, payloads by place, and the transfers in them.
//
// It derives everything from what package commit wrote and from the lane's segments, so it needs no index and keeps no
// state.
//
// Invariants:
//
//  1. What retention recycled answers Pruned: payloads first, the rows that lead to them and their outcomes
//     chain.ValidityBlocksMax heights later. Headers, certificates and places of transactions stay.
//  2. Rows that do not decode, or that do not belong together, answer Corrupt and name the row. NotFound means that nothing
//     of that name was executed here.
//  3. A change that V10 made is one transfer with V10's id and V10's outcome, once it is applied. While it waits it is none.
//  4. Blocks lose their payloads from the oldest on, so Retained can search instead of looking at all.
package history
