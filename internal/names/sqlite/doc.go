// SPDX-License-Identifier: Apache-2.0

// Package sqlite keeps a names vault in one SQLite file, names.db, in WAL mode, readable by its owner alone.
//
// What is deleted is overwritten with zeros (secure_delete), and the write-ahead log, which holds whole pages as they were, is
// emptied after each Forget. FORMAT.md has the tables.
package sqlite
