// SPDX-License-Identifier: Apache-2.0

// Package v11state reads V11's executed state out of a validator's checkpoint files, for the verifier: accounts, assets, holdings and the
// inbox, of one height.
//
//	s, err := v11state.Open(ctx, v11state.Config{Dir: "…/checkpoints", Chain: id, AtLeast: h, Wait: time.Minute})
//	defer s.Close()
//	err = s.Balances(ctx, func(b verifier.StateBalance) error { … })
//
// It decodes the files by itself, from the FORMAT.md of packages checkpoint, pages and ledger, and shares no code with them: what they
// would all get wrong together shows here.
//
// A validator that runs fills its two buffers in turn and gives nobody time to read one, so a buffer is copied first, into a file
// without a name, which goes when the process ends; where the file system shares blocks the copy costs nothing. Anchors never change
// and are read where they lie. A folder of a validator that stands still is read like any other.
//
// Validators write a checkpoint every 3 seconds while there is traffic, and one when it stops, so Wait is a matter of seconds; a state
// of many GB takes as long as its changes take to be written, at 256 MiB a second.
//
// Invariants:
//
//  1. What is handed out was proved before: the header was the same before and after the copy, the tables and every page have their
//     checksums, and the pages hash to the root that the header names. Whether validators certified that root for that height, who
//     has their headers checks (Config.Certified).
//  2. A reader that was overtaken by the writer begins again, TriesMax times; then it is TryLater. A file that is damaged and yet not
//     being written is passed over for an older one, and if there is none, it is Corrupt.
//  3. Memory is below 1 MiB whatever the size: which page lies where goes to a file too, 8 bytes a page.
//  4. Records that contradict each other (an alias of another account, a holding of nobody) are Corrupt, though the root is right.
package v11state
