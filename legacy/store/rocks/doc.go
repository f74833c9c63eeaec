// SPDX-License-Identifier: Apache-2.0

// Package rocks is the reference ledger's store on RocksDB, as V10's documents describe it. All but this comment needs the
// build tag rocksdb and Debian's librocksdb-dev 7.8: `make deps` installs it, `go build -tags rocksdb ./cmd/aurigraph`
// builds with it.
//
// Each family is a column family; "default" stays empty. The change log is RocksDB's own write-ahead log: a position's
// sequence is that of the last row of its batch, so a batch of n rows takes n, and the first row of the next batch has the
// next number. An origin is log data in the batch of the rows that it marks; alone it would make an empty batch, which has no
// sequence and which the log's reader passes over.
//
// Invariants:
//
//  1. A tail keeps its WAL iterator, for opening one reads a log file to where it begins, and opens another only where
//     RocksDB says so. Log files are at most walFileBytes and one batch long, which bounds that.
//  2. Each batch that a tail hands out begins one above the end of the one before; anything else is a gap.
//  3. Log files are kept beyond their flush up to Options.LogBytes, counted in whole MiB. Trim deletes nothing: RocksDB knows no
//     readers.
//  4. Every column family handle is closed before the database, whose assertions end the process otherwise.
//  5. No Go memory is held by C beyond a call: iterators compare bounds in Go.
package rocks
