// SPDX-License-Identifier: Apache-2.0

// Package pebble is the reference ledger's store on Pebble: no C++ library is needed.
//
// A key is the family's number and the family's key. The change log is an outbox: rows of a family of its own, written in
// the same atomic batch as the changes they repeat, so that a change and its record cannot part. An outbox row's key is
// the batch's sequence, counted from 1; its value is in FORMAT.md.
//
// Invariants:
//
//  1. Outbox sequences have no gaps between the floor and the head. The floor is a row too, written with the deletion of
//     what lies below.
//  2. The outbox holds at most Options.LogBytes and the newest row. Beyond it an Apply deletes an eighth of it, oldest
//     first.
//  3. The first failed write, or fault of the engine in its background, halts the store.
package pebble
