// SPDX-License-Identifier: Apache-2.0

// Package expiry models how long an idempotency key must live, when the ledger that promised it is not the one that is asked later.
//
// V10 promises: a repeat that is sent within Promise of the first attempt finds the first answer. Time passes in ticks; V11's block time
// is never more than Skew ticks from V10's clock and never goes back, but may wander between. A request may take Travel ticks from the
// client to the ledger's decision: the network, a gateway's hold, a guard's queue. The slot may move at any time, when
// sync has brought the key. V11 gives a key up at the tick that its rules allow, at once, because the worst case is wanted.
//
// Bounds: one payment, Sends attempts, Last ticks.
package expiry
