// SPDX-License-Identifier: Apache-2.0

// Package chainlog tells V10 what happened on V11: it reads the certified chain by height and makes records of it.
//
//	drafts, err := chainlog.Translate(block, i, facts, minor)         // pure: one batch of a block
//	c, err := chainlog.New(chainlog.Config{Institution: 3, SyncKeys: []chain.KeyNo{9}}, chainlog.Parts{Chain: c, Names: vault, Sink: s})
//	err = c.Run(ctx)                                                  // until ctx ends, or what follows cannot be had
//
// The chain is the log, so nothing is written down here and nothing can be forgotten: a capture that starts asks the sink for its
// newest record and makes the blocks from there on again. A record's position is the height and the place among the records of its
// block. The last record of each block is the block itself, with its hash.
//
// V10 learns of portable assets only: transfers between portable accounts, issues, redemptions, assets and accounts made, and what
// was refused for good under an idempotency key of the custodian. V10 knows names and the chain only has keyed hashes of them, so
// the names come from the vault.
//
// Invariants:
//
//  1. What V10 told is not told back: batches with chain.FlagSync are left out, and so are the transactions of the keys with which
//     the applier opens accounts and makes assets (Config.SyncKeys, which nobody else uses).
//  2. Records are a function of the chain and of facts that never change (names, asset codes, which accounts are portable). Two
//     captures of one chain make the same records, and one that begins anew makes those that were made before.
//  3. Nothing is guessed and nothing passed over. An account without a known name, a party or issuer that V10 cannot name, a hold
//     of a portable asset, a block whose payload retention let go: each stops the direction with a reason (Status). What may heal
//     by itself, a name above all, is asked for again every RetryPause.
//  4. The close of the migration is the end: all before it is told, nothing behind it, and then the capture is over.
//  5. Memory is bounded: one block, DraftsMax records of it, and CacheMax names.
//
// docs/adr/0030-v11-sync.md says why.
package chainlog
