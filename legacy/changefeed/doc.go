// SPDX-License-Identifier: Apache-2.0

// Package changefeed serves a store's change log to another process, since RocksDB's folder belongs to one: HTTP on an address
// of its own, which only the one who copies should reach.
//
//	GET  /head                     {"position":"INCARNATION:SEQUENCE"}
//	GET  /changes?since=POSITION   a line of JSON for each batch above it, without end; see Line.
//	                               With bare=MARK those whose origin begins with it come without their rows
//	POST /trim?position=POSITION   the reader has everything up to there durably
//	POST /checkpoint?dir=FOLDER    a copy of the rows into a new folder of the server; answers its position
//
// A stream is one tail: it begins with 409 or 410 and the reason where the log cannot give what was asked for, and ends with a
// line that holds the reason where it cannot go on. While there is nothing new, a line with the head comes every HeartbeatMs, so
// that a reader knows how far behind it is, and that the other side is there.
//
// And what the other ledger's side writes here, if the ledger is served too:
//
//	POST /barrier                  {"generation":N,"guard":M,"position":…}: a mark in the log; M is the generation of the newest guard before
//	                               it. With guard=1 it is a guard's: writes that name no generation, or an older one, are refused from
//	                               then on. With after=M too it is refused unless that guard is the newest still
//	GET  /homes, POST /homes       which slots' accounts the other ledger may debit, by version; the body is a list of moves
//	POST /inbox                    lets records of a ledger in, from a position on
//	GET  /applied                  {"inbox":…,"height":H}: whose records are let in, the newest applied, and the newest block applied whole
//	POST /apply                    sealed records (package envelope), each after its size as u32; answers as /applied
//
//	POST /skip                     a sealed skip (package envelope): passes over the one record that cannot be applied; answers as /applied
//	GET  /resolutions              {"resolutions":[…]}: what was passed over, by whom and why, behind ?after=LIFE/MAJOR.MINOR
//
// A record is money: /apply opens the seal itself, so that nothing but the holder of a sync key makes changes here, or leaves one out,
// whoever reaches the address. 409 with "at" names the record that cannot be applied; nothing of the call was written then.
//
// Copy a ledger: POST /checkpoint, copy that folder, and read /changes since its position.
package changefeed
