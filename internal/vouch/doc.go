// SPDX-License-Identifier: Apache-2.0

// Package vouch makes documents that somebody vouches for with a key: reports, plans, manifests.
//
//	text, err := vouch.Sign("aurigraph/verify-sync/report", report, signer)
//	d, err := vouch.Open("aurigraph/verify-sync/report", text, &report)   // d.Signer says who
//
// Invariants:
//
//  1. What is signed is the BLAKE3 hash of the document's bytes as they stand in the file, in its domain: a document of one kind is none of
//     another.
//  2. Whether a document must be signed, and by whom, the caller says: Open takes one without a signature, and any signer.
package vouch
