// SPDX-License-Identifier: Apache-2.0

// Package remote is a custody desk and a ledger's readers that lie behind the validators' API: with them the dialect of V10 runs in a
// gateway as it runs in a node, and the gateway holds no key of money, no name and no state.
//
//	l, err := remote.New(remote.Config{…}, remote.Parts{Validators: pool, …})
//	restv10.Parts{Desk: l.Desk(), Reader: l.Reader()}
//	err = l.Run(ctx) // follows the chain; payments under way end with their own deadlines
//
// Payments travel as Custody.PayMany over connections that stay open. A payment that finds a call free goes at once; what queues
// meanwhile shares the next one. The less there is to do, the sooner it goes; the more there is, the less each costs.
//
// Invariants:
//
//  1. A payment is answered with what a validator said of it. Once it may have been sent and nobody said anything, it is Timeout,
//     "nobody knows yet", unless it has a key and another validator tells its fate.
//  2. A payment without a key is sent again only when a validator or the pool said that nothing was done. So payments with keys and
//     those without never share a call.
//  3. A payer has payments in one call at a time, so his keep their order.
//  4. Who reads after a payment was answered sees it: every read names the newest height of any answer, and a validator that is not
//     there waits, or refuses and the next one is asked. A height that none reaches for FreshMax is not believed any more.
//  5. What is remembered of accounts and assets never changes: an account's number, an asset's scale. Names are asked for each time,
//     so that one that was forgotten is gone.
//  6. What only V10 may do (custody.ReasonNotHome) is an answer like another: it is not put to the next validator.
//
// What validators say is believed: V10's clients have no proofs. Who wants them uses the native API (ADR 16).
//
// Bounds: WaitingMax payments wait, Calls calls are under way, of PaymentsMax payments and BytesMax each, for PayMax. A payment waits
// as long as its caller does, or PayMax.
package remote
