// SPDX-License-Identifier: Apache-2.0

// Package changefeed serves a store's change log to another process, since RocksDB's folder belongs to one: HTTP on an address
// of its own, which only the one who copies should reach.
//
//	GET  /head                     {"position":"INCARNATION:SEQUENCE"}
//	GET  /changes?since=POSITION   a line of JSON for each batch above it, without end; see Line
//	POST /trim?position=POSITION   the reader has everything up to there durably
//	POST /checkpoint?dir=FOLDER    a copy of the rows into a new folder of the server; answers its position
//
// A stream is one tail: it begins with 409 or 410 and the reason where the log cannot give what was asked for, and ends with a
// line that holds the reason where it cannot go on. While there is nothing new, a line with the head comes every HeartbeatMs, so
// that a reader knows how far behind it is, and that the other side is there.
//
// Copy a ledger: POST /checkpoint, copy that folder, and read /changes since its position.
package changefeed
