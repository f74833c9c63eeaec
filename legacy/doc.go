// SPDX-License-Identifier: Apache-2.0

// Package legacy puts the V10 reference ledger together: a V10 as its documents describe it, which really runs on RocksDB. The
// migration has it as its other side, and every V10 client has it as the thing to compare V11 with.
//
//	store       what is written, atomically and synced, and the log of it   store/pebble, store/rocks
//	ledger      accounts, assets, payments, rounds                          over store
//	rest        the V10 dialect                                             over ledger; the words are package v10
//	changefeed  the change log for other processes                          over store
//	generate    accounts and payments to try it with                        over ledger
//
// It stands beside V11: it imports none of V11's machine, and nothing but the command line imports it.
//
// Invariants:
//
//  1. A folder belongs to one engine, named in its file ENGINE, and to one process.
//  2. Run ends in order: requests under way, what waits for the ledger, the store.
//  3. Without the build tag rocksdb there is no C++ in the program; engine rocksdb is then refused with what to do.
package legacy
