// SPDX-License-Identifier: Apache-2.0

// Package subscribe tells followers of the chain when a height is certified.
//
// A follower is a cursor on the durable chain, not a queue: it holds the next height it wants, and reads the block itself
// when its turn comes. So a follower costs the same whether it is a second or a year behind, one that stalls delays nobody,
// and one that was cut off goes on from its last height + 1.
package subscribe
