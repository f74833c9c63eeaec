// SPDX-License-Identifier: Apache-2.0

// Package chain holds the words of the ledger: identifiers, amounts, batches, transactions, outcomes, headers,
// certificates and the genesis. Values and their rules; no I/O and no behaviour that belongs to a stage.
//
// Invariants:
//
//  1. A value that is hashed or signed has exactly one byte form, made by package codec; nothing here encodes itself,
//     except the client batch, whose bytes *are* the value (see Batch).
//  2. Account, asset, institution and key numbers are dense, given out in order of creation, and never reused.
//  3. An Outcome is one byte with one meaning, for ever: codes are appended, never changed.
package chain
