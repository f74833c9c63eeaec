// SPDX-License-Identifier: Apache-2.0

// Package check searches every state that a small model can reach, breadth first.
//
// A protocol that moves money between two ledgers fails in orders of events that nobody thinks of. A search of all of them,
// within stated bounds, does not have to think. The packages beside this one say what the states and steps of a protocol are;
// this one explores them, reports the shortest way to a violation, and finds states from which there is no way on.
//
//	report, err := check.Run(spec, check.Options{Progress: true})
//	for _, line := range report.Trace { fmt.Println(line) }
//
// Invariants:
//
//  1. States are compared whole, not by fingerprint: a run that ends has seen every state within the spec's bounds.
//  2. The result does not depend on the number of workers or on timing: shards and chunks are fixed in number and size, and
//     each shard takes the chunks' states in order. So counts, depths and traces may be recorded as goldens.
//  3. A trace is as short as any, because the search is breadth first and looks at a level whole before it reports.
//  4. Progress is asked of the graph without fault steps: from every state reached, with faults or without, some path without
//     faults leads to a goal.
//
// Bounds: Options.StatesMax (32M by default) ends a search with ErrTooLarge; a state is at most 255 bytes; memory is about the size of
// a state plus 12 bytes for each state, and 4 bytes for each step without fault while progress is asked.
package check
