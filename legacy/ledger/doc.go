// SPDX-License-Identifier: Apache-2.0

// Package ledger is V10's ledger as its documents and clients know it: accounts are names, each holds balances of assets, and
// what was written together is a round with a leader, votes and a block hash. It is a reference and a source to migrate from:
// one node, every write synced, no machine of V11 in it.
//
// Orders (a payment, an account, an asset) wait in a queue; one loop takes what waits, executes it in order over a view of the
// store, and applies rows, round, totals and idempotency keys as one batch. So concurrent callers share one sync, and an
// idle one does not wait.
//
//	l, err := ledger.Open(s, ledger.Config{})
//	go l.Run(ctx)
//	results, err := l.Submit(ctx, []ledger.Order{{Kind: ledger.Transfer, From: "alice", To: "bob", Asset: "AUR", Units: u}})
//
// Invariants:
//
//  1. An answer leaves only after its round is synced. What was answered is there after a crash.
//  2. Executing is a function of the rows and the order (execute.go): no clock, no map order, no float.
//  3. Units of an asset are conserved: its supply is the sum of its balances, changed by issue and redeem alone.
//  4. A key is executed once. A repeat gets the first result, refusals included, for KeyLifeMs or until KeysMax newer keys
//     came; the oldest goes first, and both causes are counted.
//  5. Rounds are numbered without gaps from 0, and their times never fall. A transaction's id says where it lies.
//  6. Records of the other ledger (Apply) are applied once each: rows, position and mark are one batch, and only what follows the position is
//     taken. Its rows have keys of their own. It debits only where it owned the slot, and never more than there is.
//  7. Once a guard has written its barrier, an order of an older generation, or of none, is refused in the step that would execute it, without a trace.
//  8. After a failed write the ledger refuses all writes; readers go on.
//
// FORMAT.md has the rows.
package ledger
