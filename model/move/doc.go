// SPDX-License-Identifier: Apache-2.0

// Package move models how slots change sides while both ledgers take payments: requests that are anywhere, a guard before V10 that crashes,
// controllers that remember nothing, sync both ways, V11 stopping for ever, the seal, the way back, and the close that ends it. It shares nothing with the
// product, so that both cannot be wrong in the same way.
//
// State: V11's log, published up to a height; V10's captured records; the guard's memory and disk; all fences ever signed; the requests
// inside V10; what clients were told. Everything else is replayed from these. docs/move-model.md says what is searched and what each
// rule prevents.
//
//	spec, err := move.Spec(move.Config{Payers: []uint8{0}, Sends: 2, Balance: [2]uint8{1, 1}, Moves: 2, Crashes: 1, Depth: 2})
//	report, err := check.Run(spec, check.Options{Progress: true})
//
// Invariants looked for, in every state:
//
//  1. No slot has two sides on which a new debit could happen: V11 at its tip, the guard, or a request inside V10 that V10 would execute.
//  2. No payment is debited twice.
//  3. Whoever was told that it paid has paid, and who was told a final refusal has not and never will.
//  4. No balance goes below zero by sync, and sync refuses no debit of a slot's owner.
//  5. At rest both ledgers have the same balances and keys. From every state, steps that are no faults and no aborts lead to rest, each slot
//     being accepted by exactly one side; with Config.Reverse, by V10. After the close V10 has what V11 had then.
//  6. After the close V11 has all that V10 did.
//
// What is left out because it adds no behaviour, and why:
//
//   - Requests on the way. One that is late, lost, doubled, sent to the wrong side or forwarded is one of the sends, reaching a ledger at any
//     time or never: stale routing and forwarding only delay it. So only requests inside V10 are state. With Config.Network the others are
//     too; the scenarios with it find the same, in up to forty times the states.
//   - Answers that are lost. A client here may repeat whatever it was told, so being told changes nothing that it does.
//   - Controllers. Any fence ever signed may be submitted at any time, any abort and any move back too: that is any number of controllers,
//     crashing anywhere.
//   - Requests that end in nothing but an answer. A repeat that V11 knows changes no state.
//   - V10's passing over heights that change nothing there.
//
// Symmetry: sends of one payment are interchangeable; generations are counted from the lowest in use.
//
// Bounds: three payments, six sends, 16 heights, 11 records, 8 home versions. A step beyond ends the search as a violation, never in silence.
package move
