// SPDX-License-Identifier: Apache-2.0

// Package intake is the only way in: whatever its wire, a batch or transaction is admitted here or refused with a reason.
//
// Admission checks what can be checked ahead of execution, on the caller's goroutine and so on all cores: framing, chain,
// signature, validity window, sequence. It decides nothing that the ledger decides; an admitted batch may still be
// refused by its outcome. What is admitted goes on the lane: client batches as they are, single transactions cut together.
//
// Invariants:
//
//  1. Every submission ends: with a receipt, with a refusal that is counted by reason, or with the node's stop.
//  2. Batches of one channel reach the lane in the order of their sequences.
//  3. The same batch or transaction again answers with its first receipt and is not executed twice.
//  4. Memory is bounded in bytes by the buffers' pool and TxQueueBytesMax. At the bound a submission waits AdmitWaitMax,
//     then it is told to try later.
//  5. While V10 may become the home again, portable work is let in only as Parts.Portable allows, and what is not never waits for it. What was
//     let in is settled once: with its block, or when it will be in none. At the stop nobody asks any more.
package intake
