// SPDX-License-Identifier: Apache-2.0

// Package v10port is the sync's side of V10: it reads V10's changes from the port where V10 serves its change log, and brings V11's
// records there.
//
//	c := v10port.NewClient("http://127.0.0.1:4005", nil)
//	incarnation, head, err := c.Head(ctx)                        // for the source of the records, and where a direction begins
//	err = v10port.Capture(ctx, v10port.CaptureConfig{Client: c, Sink: sink, Keys: desk})     // V10 to the bus, until ctx ends
//	inbox, err := c.Inbox(ctx)                                   // where V10 stands
//	err = v10port.Apply(ctx, v10port.ApplyConfig{Client: c, Records: reader, Keys: keys})    // the bus to V10
//
// Translate is the pure part: rows of one of V10's batches in, changes out. A round becomes its transactions in order and then itself, at
// positions (sequence of the batch, 0, 1, …). Rows that follow from others (balances, who has a part in what, totals) become nothing:
// a balance is never synced as a value.
//
// Invariants:
//
//  1. Every own batch of V10 is translated or ends the capture with a reason: a row of a kind that is not known here (unknown_row), a
//     round that lacks something (round_incomplete), a writer's mark that is not ours (unknown_origin). None is left out.
//  2. Batches with the mark of applied records are left out: they are the other ledger's. The positions of the rest stay chained.
//  3. The capture has no state: it goes on from the sink's tip, making a batch again of which the sink has only a part.
//     The newest change that was told is made again first and compared with what was published: a V10 that was put back to an earlier
//     state under the same identity is found out by it (ahead, fork), and tells nothing.
//  4. What may mend itself (no answer, an answer cut off, V10 starting) is tried again for ever, and State says since when. All else
//     ends it: gap, other_incarnation, ahead.
//  5. Apply sends nothing that it did not read, in order, and asks V10 where it stands after each doubt. A record that V10 does not take
//     ends it with a *HeldError, after those before it were applied. It has no state either, and sends no more a second than
//     ApplyConfig.Rate allows.
//  6. Memory is bounded: a line of lineBytesMax, or a call of ApplyBytesMax and ApplyRecordsMax.
//
// docs/adr/0029-v10-sync.md says why.
package v10port
