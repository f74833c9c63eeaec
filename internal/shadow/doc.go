// SPDX-License-Identifier: Apache-2.0

// Package shadow asks the other side what a client was answered by its account's home, and compares: while slots move from V10 to V11, both ledgers keep
// every account, so both must answer every read alike.
//
//	s, err := shadow.New(shadow.Config{V10: guard, V11: gateways, Told: w.Tell})
//	cfg.Shadow = s.Offer                     // of the router inside the process; nginx comes to s.Handler()
//	err = s.Run(ctx)
//	report := s.Report()
//
// One comparison is a try or several. A try asks the home, the other side, and the home again: what differs between the home's own answers is noise.
// What rules explain does not count: those of package v10diff, and rules.yaml for what two ledgers in step still tell differently. If something is left,
// the sync may not have carried it yet: another try follows after 100, 200, 400, 800, 1600 and 3200 ms. judge.go decides, and does nothing else.
//
//	equal    at the first try
//	late     at a later one
//	noise    it differs only where the home differs from itself, also between tries
//	differs  still, at the last try
//
// Invariants:
//
//  1. Offer never waits and never fails. What it does not take is counted: what is no read of the dialect, what names things that one ledger has alone,
//     what the sample leaves out, what finds the queue full.
//  2. Only reads are sent. They carry the client's own credentials, and hop.Header, so that neither side sends them on: each answers from its own ledger.
//  3. Who does not answer, or says that it is busy, has not answered anything else: that is counted apart, by side and reason, and proves nothing.
//  4. Credentials, queries, names of accounts and texts in answers are in no log, report, outcome or metric.
//
// Bounds: QueueMax reads wait, Workers are compared at once, PerSecondMax tries a second, AskMax and answerBytesMax an answer, classesMax kinds of
// mismatches. What is beyond is counted.
//
// Limits: an account that is paid all the time is noise while it is; the verifier's digests know about these. Changes that need more than 1.5 s to
// come across count as differences.
package shadow
