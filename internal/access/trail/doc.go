// SPDX-License-Identifier: Apache-2.0

// Package trail writes down what callers did: one line of JSON for each write, in files that are only appended to, each line with
// the BLAKE3 hash of the line before.
//
//	t, err := trail.Open(trail.Config{Dir: "access/audit", Tag: aliasKey.Tag}, trail.Parts{…})
//	go t.Run(ctx)
//	err = t.Ready()          // before a write: can it be written down?
//	err = t.Append(e)        // after it
//	report, err := trail.Verify(files…)
//
// Names of accounts and of people are not in it, but their tags under the network's alias key, which the ledger has too. Whoever keeps
// the names vault can say whose a line is, until the name is erased there.
//
// Invariants:
//
//  1. A line that was changed, taken out, put in or moved breaks the chain at the next one. Who may write the files can make all that
//     follows anew, or cut it off. That shows only against a hash noted elsewhere: the log of the server has one at least each
//     HeadEvery while lines are written, and at every begin and end.
//  2. Lines reach the disk in the order of the chain, within FlushEvery. What a crash of the machine took is less than that; a torn
//     last line is cut off by Open, which writes a line about it.
//  3. After a failed write or flush nothing more is written, and Ready says so: then nobody may write who must be written down.
//  4. No file is ever deleted or changed by this package. The operator moves old ones away.
//  5. What waits is bounded by WaitingMax; at the bound Append waits, for WaitMax at the most.
package trail
