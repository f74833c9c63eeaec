// SPDX-License-Identifier: Apache-2.0

// Package migration is the recorded state machine that takes a running V10's clients to V11: which phase it is in, what has to hold before
// it goes on, what is to be done next, and what an operator may ask for. It has no clock and does nothing itself.
//
//	plan, err := migration.ParsePlan(text)            // migration.Example is a plan with all defaults, explained
//	state, err := migration.Fold(entries)             // of the journal
//	action := migration.Next(&state, &facts)          // what is to be done now; Hold says for which gate it waits
//	err = migration.May(&state, &entry)               // whether an operator's entry may stand behind the others
//
// The phases are those of Phases, in that order. The state is a fold of the journal's entries and of nothing else: whoever drives the
// migration can be killed anywhere, reads the journal again, and goes on. What moves slots is absolute (a weight that is to be reached), so that
// doing it twice is doing it once.
//
// Invariants:
//
//  1. Nothing goes forward while a gate before it does not hold, while it is paused, or while nobody knows how things stand.
//  2. Going back needs no gate but V11's ledger: from each phase until close, the way to weight 0 is open.
//  3. What reversed stays until a person says resume: a machine that went back does not try again by itself.
//  4. A promote of the judge counts for the step that it was told in, once. Reverse beats it.
//  5. After close nothing goes back, and May says so.
//  6. V10 is switched off only when it is archived, its customers' notice is over, and a person said stop. Nobody is told twice within a week.
//  7. Each entry says who and why. Entries are never changed.
//  8. An alarm that nobody has seen yet goes back to 0. One that was there before the canary, or that a person said resume behind, does nothing.
//  9. V11 is sealed only where a person says so, or where the plan does and it has stood for long enough.
package migration
