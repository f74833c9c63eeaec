// SPDX-License-Identifier: Apache-2.0

// Package fault gives every error of the product a kind, and every kind one meaning at each edge.
//
// A kind answers the caller's only real question: may I try again, must I change the request, or must a person look?
// The package that finds a fault names the kind and says what to do next; the edges (gRPC, REST, JSON-RPC, the CLI's
// exit code) each hold one table from kind to their own code, so that no meaning is invented twice.
//
// Invariants:
//
//  1. An error without a kind is Internal: an unknown cause is never reported as the caller's mistake.
//  2. Halt means that memory and disk may disagree. Whoever sees it stops writing; recovery replays the log.
//  3. Invariant is on in production. It panics with a *Violation, which the owner of the writer loop turns into a halt.
package fault
