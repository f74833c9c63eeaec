// SPDX-License-Identifier: Apache-2.0

// Package sqlite keeps a migration's journal in one SQLite file, journal.db, in WAL mode: for a controller and operators on one machine, whose
// clock it goes by. FORMAT.md has the tables.
package sqlite
