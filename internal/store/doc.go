// SPDX-License-Identifier: Apache-2.0

// Package store is the contract of the ordered key-value store below the chain, and the one list of its keys.
//
// The node keeps here, in one atomic write a block, what must be found again by key: headers, certificates, proposals,
// places of batches and transactions, outcomes, versioned holdings. Payloads and hot balances live elsewhere.
//
// Invariants:
//
//  1. There is one writer. Readers may run beside it; an iterator sees the store as it was when the iterator was made.
//  2. Apply is atomic: after a crash either all of its changes are there or none. A durable Apply that returned nil
//     survives a power cut, and so does every Apply before it.
//  3. After a failed Apply nobody knows what is on disk: the error is fault.Halted, and the writer stops for good.
//  4. Key prefixes exist in schema.go only. Values are bytes to this package; package codec gives them meaning.
//
// Use pebblestore in a node, memstore in tests; both pass storetest.Run.
package store
