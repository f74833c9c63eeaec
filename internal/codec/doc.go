// SPDX-License-Identifier: Apache-2.0

// Package codec gives every value of package chain its one byte form, and the hashes made of it.
//
// The forms are in FORMAT.md, with golden vectors in testdata. Integers are little-endian and of fixed width, byte strings
// carry a length, lists a count; there are no optional fields and no second way to write the same value.
//
// Invariants:
//
//  1. Decode(Encode(v)) = v, and Encode(Decode(b)) = b for every b that decodes: no two byte strings mean the same value.
//  2. Decoders bound every length before they allocate, never panic, and answer Invalid or Corrupt.
//  3. A hash names its kind: each is made over bytes that begin with a magic or a domain of their own; only the
//     flat outcome array has none, and its first byte is an outcome, far below the letter all magics begin with.
package codec
