// SPDX-License-Identifier: Apache-2.0

// Package sqlite keeps the query index in one SQLite file, index.db, in WAL mode.
//
// The file belongs to one chain and says so. A clean Close leaves the one file and a SEAL over it (package store/seal), so
// that offline verification finds any changed byte. ReadContents opens the file of a stopped node without a change to its
// folder: Check looks at the file itself, index.Compare at what it says. A damaged or foreign file stops only the index:
// delete its folder, and the next start builds it again from the chain.
package sqlite
