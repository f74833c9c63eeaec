// SPDX-License-Identifier: Apache-2.0

// Package checkpoint keeps durable copies of a ledger's pages, so that a restart re-executes seconds, not a history.
//
// A Store has two buffers, a.ckpt and b.ckpt, which Write fills in turn with the pages that changed since, and any number
// of anchors: full files that never change, below which the log may be recycled.
//
//	store, err := checkpoint.Open(dir, checkpoint.OS{}, checkpoint.Config{Chain: id})
//	loaded, skipped, err := store.LoadVerified(certified) // NotFound: begin at genesis
//	balances := pages.NewColumn[chain.Amount](loaded.Space, 7, accountsMax) // adopts what was loaded
//	…
//	_, err = store.Write(ctx, sn, checkpoint.Meta{Chain: id, Height: h, Root: root})
//
// Invariants:
//
//  1. A crash at any moment leaves the checkpoint that was written, or loaded, last. The header of the buffer to be
//     filled is made invalid, durably, before anything else in it changes, and valid only when all else is durable.
//  2. Every byte of a finished file is covered by a checksum, or is zero and checked to be. Its size is exact.
//  3. What is loaded by LoadVerified has the root that its header names, recomputed from the pages.
//  4. After a failed write or sync the error is Halted: what the disk holds is unknown until a restart reads it.
//
// The write rate is bounded (Config.BytesPerSecond: the writer sleeps), and a sync follows every 8 MiB, because a log
// that syncs on the same disk waits for all that is dirty before it.
package checkpoint
