// SPDX-License-Identifier: Apache-2.0

// Package canary has the plan by which V11's share of the traffic grows step by step, and the judge that says after each window of requests
// whether to go on, to stay, or to go back. It has no clock: observations bring their times with them.
//
//	plan, err := canary.Parse(text)                   // canary.Example is a plan with all defaults, explained
//	a := canary.Begin(&plan, 0, canary.Reference{})   // the first step; later ones get the step before's a.Reference()
//	cohorts, err := plan.Cohorts(0, own)                // own: slots of accounts that have one of their own
//	o.Add(&plan, &cohorts, &outcome)                  // for each request that ended in the window
//	verdict := a.Observe(&plan, &o)                   // promote, hold or reverse
//
// A step's analysis is plain data: keep it as JSON beside the step, and go on with it after a restart.
//
// Invariants:
//
//  1. Looking at each window, at some or only at the end: if V11 is no worse than the plan allows, the tests reverse with at most
//     Tests.FalseAlarmPPM, over the whole step. Rails are thresholds and have no such bound.
//  2. Reverse beats promote. A reverse is final: the same analysis says nothing else ever after.
//  3. An analysis that was ended never promotes. Its rails and tests still reverse.
//  4. No data is hold: without requests, without a control where there should be one, with a gauge that nobody could read. Time without requests does not
//     count as time.
//  5. A window counts once: what overlaps an earlier one is refused and changes nothing. A confirmed divergence reverses even so.
//  6. Each verdict has the rule it came from, the numbers with their limits, every gate, and up to SamplesMax requests.
//
// Bounds: StepsMax, plan files of PlanBytesMax, windows of WindowMsMax and WindowRequestsMax, GatesMax, ApproversMax.
package canary
