// SPDX-License-Identifier: Apache-2.0

// Package keys signs and verifies: Ed25519, secp256k1 and ML-DSA-65, one at a time or in batches, and keeps secret keys
// in files.
//
// A signature covers the bytes that Message makes from a domain and parts, so that a signature given for one purpose is
// worth nothing for another. A Public is always a usable key: ParsePublic refuses the rest. A Verifier is a Public with
// its key schedule worked out; a Cache holds the Verifiers of recent keys; a Batch verifies many signatures at once.
//
//	v, err := cache.Find(keyBytes)
//	batch.Add(v, keys.Message(keys.DomainTx, chainID, tx), sig)
//	for i, ok := range batch.Verify() { … }
//
// Invariants:
//
//  1. Acceptance is a function of (key, message, signature) alone: the company an entry has in a batch, the order, the
//     machine and the time never change it. Nodes that disagree about a signature split the chain.
//  2. Ed25519 has one rule, for Verifier and Batch: RFC 8032 with the cofactored equation; S below the group order; A
//     and R in canonical encoding; A not of small order (R may be). Cofactorless verification, as crypto/ed25519 does
//     it, cannot be batched without disagreeing on keys that have a torsion part, so it is not used. Every signature of
//     an honest signer passes both.
//  3. secp256k1 signs keccak256 of the message, RFC 6979, r‖s with low s; high s is refused, so nobody can turn a
//     signature into a second valid one.
//  4. ML-DSA-65 is FIPS 204 with an empty context, over the whole message. Signing is deterministic: signing again
//     after a crash gives the same bytes.
//  5. A secret leaves a Signer only through WriteFile. No error, and no print of a Signer, holds any part of it.
//
// Verification is pure: no clock, no I/O, no goroutine, no randomness. Key files are the package's only I/O. The numbers
// of schemes, the key bytes, addresses, the domains and the key file are formats: they only grow.
package keys
