// SPDX-License-Identifier: Apache-2.0

// Package migrate moves slots of accounts between V10 and V11 while both serve.
//
//	m := migrate.New(ledger, guard, migrate.Config{…})
//	report, err := m.Move(ctx, migrate.Goal{ToV11: true, Slots: slots})   // returns when the new home takes debits
//	err = m.Abort(ctx)                                                    // V10 keeps what it fenced
//
// Next decides: it is a function of what the ledger and the guard say now, and of the fence at hand. Mover asks both, does what Next says, and asks
// again. So a goal is absolute, a mover can stop anywhere and begin anew, and two of them disturb each other but break nothing: the ledger
// compares versions, and a fence that is asked for again is given again.
//
// Invariants:
//
//  1. Nothing is remembered between two calls. The fence at hand is only an optimisation: without it another one is taken.
//  2. A move ends when the guard has followed it, and, to V10, when V10 has applied all that V11 did with the slots. Until then nobody may
//     say that the slots have moved.
//  3. What was fenced and did not move stays closed until Abort, or another move, makes the next version: a mover whose context ends
//     while slots are closed says so in its error (ReasonFenced).
package migrate
