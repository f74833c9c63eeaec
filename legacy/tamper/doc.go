// SPDX-License-Identifier: Apache-2.0

// Package tamper lets a test read, change and remove rows of a reference ledger that runs, behind its back: no rule is asked, and no change
// log tells of it. Whoever compares ledgers must find what was done so. It is never there unless it was asked for by name.
//
//	l, err := tamper.Listen("/srv/test/v10.sock")
//	err = tamper.Serve(ctx, l, store)
//
// Calls are POST with a JSON body, over a Unix socket:
//
//	/scan   {"family": 1, "low": base64, "high": base64, "limit": 100}        → {"rows": [{"key": base64, "value": base64}, …]}
//	/write  {"ops": [{"family": 1, "key": base64, "value": base64}, …]}       → {}; an op with "delete": true removes its row
//
// Families are numbered as in FORMAT.md of legacy/ledger's store. An error is {"error": text}.
//
// Invariants:
//
//  1. The socket lies in a folder that nobody but its owner can enter, who could change the files themselves as well.
//  2. A write leaves no trace in the change log; a store that cannot do that refuses.
//  3. A scan returns at most ScanRowsMax rows.
package tamper
