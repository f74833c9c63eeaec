// SPDX-License-Identifier: Apache-2.0

// Package applier makes V10's changes on V11: records in V10's order become signed sync batches, which the ledger takes each once.
//
//	a, err := applier.New(applier.Config{…}, applier.Parts{Chain: c, Open: openReader, Names: vault, …})
//	err = a.Run(ctx)                            // until ctx ends
//	s := a.Status()                             // where it is, and what holds it
//	a.Retry()                                   // a person asks for another try of the change that holds it
//
// The ledger's inbox is the only state. An applier that starts reads it, has the records behind it read, and sends batches that say
// which change they follow. Whatever is doubled, lost or raced costs a batch that the ledger refuses whole (inbox_elsewhere), and
// then the inbox is read again. So several appliers may run at once, and none of them needs a lock.
//
// What a record becomes, and what has to be there before it, is decided by pure functions (change.go, plan.go). Around them a
// session resolves names, opens accounts, makes assets, signs, and has up to FlightsMax batches under way on one channel, in order:
// an idle applier sends one change at once, and a busy one shares batches.
//
// Invariants:
//
//  1. A change is made once, in V10's order, whatever the applier does: the ledger compares positions.
//  2. A batch goes out when the accounts and assets that it names are certified, and their names are in the vault.
//  3. A change that cannot be made stops all behind it. It is tried HoldTriesMax times, then it is among the dead letters (Parts.Park)
//     and waits for a person: Retry, or governance's SkipSync, which is seen in the inbox. Status has the record, the outcome and
//     the slot that it debits.
//  4. What V10 says and this ledger cannot express (a fee, a record of V11's own kind) is held, never approximated.
//  5. Memory is bounded: WindowMax records, FlightsMax batches, and CacheMax names.
//  6. No name of V10's is in a log, a metric or the chain.
//  7. While the initial copy is under way nothing is read: the inbox below its first major position is the copier's.
//  8. No more changes a second are sent than Rate allows.
//  9. Once the migration is closed nothing is read or sent, and that is no trouble.
//
// docs/adr/0030-v11-sync.md says why.
package applier
