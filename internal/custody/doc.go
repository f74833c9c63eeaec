// SPDX-License-Identifier: Apache-2.0

// Package custody is the desk that pays for V10 clients: they send {from, to, amount} without a signature, and the desk signs for
// them as their custodian.
//
//	d, err := custody.New(custody.Config{…}, custody.Parts{Chain: c, Vault: v, …})
//	go d.Run(ctx)
//	r, err := d.Pay(ctx, custody.Payment{From: "ACME GmbH/EUR", To: "Erika", Amount: chain.Units(100)})
//
// A payment becomes a leg of a client batch of the desk's institution. One that finds a free carrier goes at once, alone. While
// every carrier has a batch under way, what queues behind shares the next. So an idle desk adds no wait, and a busy one signs as
// few batches as it can. What waits and what travels together is decided by a pure core (core.go); a carrier (carrier.go) signs,
// sends, and sends again until the fate of its batch is known.
//
// Each carrier leases a channel of the institution (lease.go) and has at most one batch under way on it. Then nothing of the desk
// overtakes a batch on its channel, and one that comes out stale was overtaken by another user of the channel: it is paid again
// under another channel, but only when the certified sequence has passed it and the ledger does not know its id, so that it was not
// executed and never will be.
//
// Invariants:
//
//  1. A payment is executed at most once, whatever is lost, sent again or restarted. Signed bytes are sent again as they are until
//     the ledger says what became of them; legs are signed a second time only when their first bytes were certainly not executed
//     and never can be.
//  2. Every payment ends: with a certified outcome, with an error that says that nothing was done, or, when its time is over and
//     it may have been sent, with Timeout, which means that nobody knows yet. It is never called failed meanwhile.
//  3. Payments of one payer are executed in the order in which the desk took them: the next ones wait until the batch of those
//     before is settled.
//  4. What waits is bounded by WaitingMax. At the bound a payment is told to try later, and nothing was done.
//  5. The ledger holds no name, and nothing from which a name could be guessed without the network's alias key.
//  6. Every refusal is counted by its reason.
//  7. What only V10 may do is refused before anything is signed or opened, as far as the desk knows, and by the ledger else. Either way nothing
//     was done. Who is paid is opened wherever his home is.
//
// Amounts over a cap of the configuration are refused here. Caps by day are counted in memory, for each process: they bound what a
// stolen API key costs, and are no accounting.
package custody
