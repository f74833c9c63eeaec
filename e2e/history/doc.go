// SPDX-License-Identifier: Apache-2.0

// Package history checks what concurrent clients of a network were told against what the ledger promises them:
//
//  1. Transfers are strictly serializable. Each has one place, a height and an index in it; run in the order of their places
//     they give every outcome that was answered, and one that was answered before another was sent stands before it.
//  2. A read at height h is the state after all transfers at heights up to h, and after no other. It may be old: readers are
//     served from what one validator knows to be certified.
//  3. A validator never goes back. A read that was sent after the validator answered at a height, by a receipt or a read,
//     is at that height or above.
//
// So a client that pays and reads at one validator reads its payment. One that pays at a validator and reads at another may
// read an older state, and sees by the height that it does: that is all that is promised, and so it is no violation here.
//
// Clients record into a History with Pay and Look; Check is called when all have ended. 1 and 2 are given to porcupine as one
// object, all balances together, because a transfer touches two accounts. The places say which order is claimed, so the search
// has one way to go and its time grows with the length of the history, not exponentially; that the claimed order agrees with
// the clients' time, with each outcome and with each balance is what porcupine finds out. A read may stand earlier than it was
// sent, for rule 2; rule 3 is checked apart.
//
// A transfer whose outcome nobody told is not recorded before somebody does: a client sends the same bytes again until they are
// answered, and the time of the transfer is from the first sending to that answer.
package history
