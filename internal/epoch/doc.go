// SPDX-License-Identifier: Apache-2.0

// Package epoch knows who validates when: the memberships of a chain from its genesis on, and what proves that one follows
// another. Whoever verifies a certificate of the chain (node, client, auditor, a node that catches up) asks it.
//
//	history, err := epoch.NewHistory(genesis)
//	err = history.Extend(handover)                   // each epoch's end, in order
//	set := history.At(header.Epoch)                  // nil: an epoch that is not known here
//	err = set.VerifyCertificate(header, hash, certificate)
//
// Why a chain of handovers: the genesis pins the first validators, and each set of validators says who comes after it. So
// whoever holds the genesis needs no other word than the handovers, whoever served them.
//
// Invariants:
//
//  1. A membership enters a History only by the word of a quorum of the epoch before: the certificate of the header that
//     names it, or a seal. The quorum is that of the epoch that ends.
//  2. A height belongs to one epoch. A header of another epoch than its height's is not of this chain.
//  3. A signature counts for a member of the epoch only, once, and under the keys that the member has in that epoch.
//  4. Errors are Invalid, by a stable reason; nothing that a peer or a file holds panics.
//
// Pure. A Set never changes; a History may be extended while others read it.
package epoch
