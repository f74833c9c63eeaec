// SPDX-License-Identifier: Apache-2.0

// Package control is what a person sees of the two halves of a sync and does to them: where a direction is, how late it is, what
// holds it, and the bound of its rate. Both halves, and the commands that ask them, share these words.
//
//	var lag control.Lag                                   // fed by an applier with heart-beats and what it applied
//	rate := control.NewRate()                             // asked before changes are applied; a person sets it
//	control.Await(ctx, control.Wait{…})                   // a change waits for a person
//	status := control.Half{Apply: …, Capture: …}          // what a half answers on its socket (package server/admin)
//
// Why heart-beats and not the records' own times: an idle ledger makes no records, and its clock is another machine's. A heart-beat
// says "all up to here was published at this time", so that what is applied up to there was at most so late.
//
// Invariants:
//
//  1. A bound of a rate holds over any span of a second and more: what one step takes too much, the next ones wait for.
//  2. A bound that is changed counts at once, also for who waits.
//  3. A held change is in the letters before its hold is told, unless the brokers do not take it within ParkMax; then it is told
//     without, and put there as soon as they do. The hold itself is the position of the ledger, and outlives every process.
//  4. Memory is bounded: LagSamples samples a direction.
package control
