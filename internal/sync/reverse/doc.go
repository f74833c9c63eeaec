// SPDX-License-Identifier: Apache-2.0

// Package reverse says how much portable work a node of V11 may let in while V10 may become its home again: no more than V10 can take
// back within a stated time, at the rate at which it was seen to take.
//
//	w := reverse.New(reverse.Config{BehindMax: 10 * time.Second})
//	ok := w.Admit(legs, now)           // false: not now. Else Settled follows
//	w.Settled(legs, height)            // they are in a block; 0: they never will be
//	w.Executed(height, legs, now)      // what a block has for V10, whoever let it in
//	w.Applied(height, now)             // V10 says up to where it has applied
//
// It has no clock, no I/O and no goroutine. now is a time since any moment, never before an earlier one. It is for one goroutine at a
// time.
//
// Why a window, and not a rate at the door: what is let in is bounded by what V10 has not applied, so that a rate which was measured wrongly
// makes the window too small or too large, and nothing more. Once the window is full, V10 itself sets the pace.
//
// Why something is let in all the same when it is full: V10, or the way there, may stand still for a minute, and V11 is not to stand still with
// it. Half of what V10 was last seen to do is little enough for it to catch up, once it goes on. How late it is by then, others say.
//
// Invariants:
//
//  1. What is let in between two moments is at most what V10 applied between them, the window, half of the measured rate, and
//     an admission of each. The window is BehindMax at the measured rate, and at least LegsMin.
//  2. The rate is measured only while V10 was behind, by BehindFrom or because the window was full: one that has nothing to do is not slow. A stop counts as
//     SilenceMax at most, or as long as what V10 applied then takes at half of the rate, when V10 goes on: silence alone never makes the rate
//     zero.
//  3. An admission may be of any size: it is let in while less is owed than the window, or when the half has come to anything. None waits
//     for ever.
//  4. What this node let in counts from its admission until its block is counted. What others let in counts from its block.
//
// Bounds: blocksMax blocks that V10 has not applied, and as many that are not counted; samplesMax measurements.
package reverse
