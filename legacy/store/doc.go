// SPDX-License-Identifier: Apache-2.0

// Package store is what the V10 reference ledger keeps its rows in: column families that one atomic, synced write changes
// together, and a change log from which another process can copy every write, in order and once.
//
// V10 keeps its state in RocksDB. Engine rocks does that (build tag rocksdb); engine pebble does the same without a C++
// library. Both pass storetest.Run, so whoever reads the contract need not know which is below.
//
// Invariants:
//
//  1. Apply is atomic and synced: after it returned nil its rows survive a power cut, and so do all before. There is one
//     writer at a time; readers run beside it.
//  2. After a failed Apply nobody knows what is on disk. The store is halted: every later Apply fails.
//  3. Every batch has a place in one total order, its Position. A tail hands out each batch above a position once, in
//     order, with its origin, and never one that is not yet synced.
//  4. A tail never leaves anything out silently. Where the log does not reach back far enough, belongs to another life
//     of the ledger, or is behind what was asked for, Since and Next say so: see Position.
//  5. A batch without rows has no position, so an origin cannot stand alone.
//
// A Checkpoint is a copy of the rows that opens as a ledger of its own: a new incarnation.
package store
