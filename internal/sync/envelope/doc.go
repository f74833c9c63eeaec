// SPDX-License-Identifier: Apache-2.0

// Package envelope holds the words in which V10 and V11 tell each other what happened: a record is one change of one ledger, with its
// place in that ledger's order and a tag that chains it to the record before. It is pure: bytes and rules, no clock, no I/O.
//
//	wire, err := envelope.Seal(key, &record)            // sets record.Tag
//	record, err := envelope.Open(keys, wire)            // checks the tag before it looks inside
//	m := envelope.NewMerger(envelope.Start{…})          // three topics in, one order out
//	verdict, err := m.Offer(envelope.Assets, record, len(wire))
//	record, err := m.Next()
//
// A direction (V10 to V11, or back) is one order of positions, spread over three topics. Each record names its predecessor, so the
// merger needs no group, no offsets and no clock: the record that follows position p is the one whose previous position is p. A
// heart-beat is no change and has no position of its own; it repeats the newest one of which all topics have everything, which is
// how a record that is late is told from one that is lost.
//
// Invariants:
//
//  1. Open returns nothing that was not sealed with one of the keys, and a Record that it returns can be sealed again. Whoever can
//     write to the broker can delay and delete, and can neither forge nor reorder nor leave out unseen.
//  2. What Next returns is the ledger's order without a gap: each record once, whatever was doubled, delayed or mixed up on the way.
//  3. An error of the merger is proved, never a matter of time: gap, disorder, fork, other_incarnation, foreign_ledger, other_origin.
//     After one nothing more is handed out.
//  4. A record whose schema or version this program does not know is an error of its own (unknown_schema, unknown_version): it is
//     parked, and so is all behind it.
//  5. Memory is bounded: PendingRecordsMax and PendingBytesMax a topic, and RecentMax tags of what was handed out.
//
// FORMAT.md has the bytes and the bounds.
package envelope
