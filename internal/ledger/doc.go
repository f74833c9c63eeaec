// SPDX-License-Identifier: Apache-2.0

// Package ledger is the state machine of native assets: accounts, assets, holdings, holds, institutions and their keys,
// replay windows, idempotency keys, homes and lanes. It executes legs and transactions, one after the other, and says what became of each
// in one byte; docs/outcomes.md has the exact meanings and the order of checks.
//
//	l := ledger.New(space, addressOf) // registers the columns; adopts loaded pages
//	err := l.InitGenesis(g)           // or l.Attach() after pages were loaded
//	l.BeginBlock(height, timeUs)      // expires holds and idempotency keys
//	moved, final := l.RunBatch(batch, id, line, codes)
//	code, result, final := l.RunTx(tx, id)
//	sums := l.EndBlock()              // asserts that no money came or went; l.Ended() tells the last block of an epoch
//	err = l.ApplySeal(next, verdict)  // between blocks, where a seal ended the epoch
//
// Why columns in pages: executed state is hashed and kept by the page (package pages), so a transfer of a dense asset is
// two 16-byte writes into arrays indexed by account number, and nothing is serialised. Everything that decides an outcome
// lies in a column:
//
//	section   records by          what
//	1         -                   meta: chain, height, counts, limits
//	2, 3      account             record (address, own key, alias, slot); debit word (custodian, flags)
//	4         alias               keyed hash of a V10 string, account
//	5, 6      key; large key      keys, those of up to 33 bytes inline
//	7, 8      institution; *256   name, house account; last sequence by channel
//	9         account             nonce window
//	10        asset               code, issuer, supply, flags
//	11        slot, 64 a word     homes: a bit where V10 owns the slot
//	12        hold slot           pending holds
//	13, 14    validator           lanes; keys of the membership
//	15, 16    sparse holding      account and asset; amount
//	17; 18    -; place in a ring  counts of idempotency keys; living keys and what became of their first leg
//	19        -                   the inbox: how far the other ledger's changes are applied
//	20        slot, 64 a word     frozen slots
//	65536+a   account             holdings of dense asset a
//
// FORMAT.md has the bytes. A dense asset costs 16 B an account, held or not. All other assets share the sparse columns,
// 24 B a holding and about 16 B of derived index, made at the first credit and never reused. An idempotency key costs 40 B while
// it lives and 11 to 21 B of derived table, and a ledger that never saw one nothing.
//
// Maps, heaps and index tables are derived: Attach rebuilds them, and they never decide an outcome or where something new
// is put (a hold takes the lowest free slot, whatever the heap looks like). The table of idempotency keys hashes with a seed of the
// process, so that clients, who choose the keys, cannot aim at it: its slots differ between nodes, what it finds does not.
//
// Invariants:
//
//  1. For each asset, the holdings, escrow included, make the supply. EndBlock asserts it by sums that debit and credit
//     keep separately; Recount adds everything up.
//  2. Escrow's holding of an asset is the sum of its pending holds.
//  3. An outcome other than OK changed nothing but the replay window and the idempotency keys. An atomic batch that fails changed
//     nothing but its sequence: not the state, and nothing derived that could be noticed.
//  4. Every debit passes take: by debit, which asks what may be debited here, or by a change of the other ledger, which asks what that
//     one is the home of. runPlain makes debit's checks; a model with neither agrees (TestAgainstModel).
//  5. The state is a function of genesis and the executed legs and transactions: no clock, I/O, randomness, goroutine,
//     map order or float takes part, and a ledger attached to a copy of the pages goes on identically.
//  6. The membership changes between two blocks only, by one change or seal at a time, each for the present epoch: a block
//     executes under one membership. No two members share a key, and a number that nobody has left nothing behind.
//  7. A living idempotency key has one leg that ran. Whatever else came under it answered Duplicate and moved nothing.
//  8. The other ledger's changes are applied in its order, each once, and only what it is the home of. One that cannot be applied
//     holds those behind it until governance says otherwise.
//  9. The initial copy of the other ledger is the beginning of its order: what only a copy makes is made while one is under way, and only
//     the copy's end leads out of it.
//  10. A migration is closed once, when V10 owns no slot and all that it did is here. From then on nothing of the other ledger's is
//     applied and no slot moves.
//
// One goroutine owns a Ledger, reads included. RunBatch does not allocate for transfers between existing holdings.
package ledger
