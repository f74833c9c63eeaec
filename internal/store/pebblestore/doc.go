// SPDX-License-Identifier: Apache-2.0

// Package pebblestore is store.Store on Pebble, and the only place that knows Pebble.
//
// It is set up small: 24 MiB of memtables, 8 MiB of block cache, one compaction at a time.
//
// Invariants:
//
//  1. The first failed write, background write or fatal error of the engine halts the store: Err says so from then on,
//     Halted is closed, and every Apply fails. Readers go on. A halted store is not closed but abandoned: the process
//     ends, and the next one opens what is durable. Where Pebble cannot rotate its log it ends the process by itself.
//  2. A store that was closed without a fault is sealed (package seal), so that Verify finds any changed byte of any
//     file. Open removes the seal before it writes.
//  3. The format of the files is PebbleFormat and changes only by a change of this package.
//
// A store that was not closed is checked by the engine's own checksums, which cover tables, manifest and log, and by
// checkLogs, which Open runs too. What remains is the last synced write of the log: damaged, it reads like a write that a
// crash interrupted. Recovery executes that block again; Verify says in its report which check was made.
package pebblestore
