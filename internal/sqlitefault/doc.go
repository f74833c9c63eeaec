// SPDX-License-Identifier: Apache-2.0

// Package sqlitefault gives SQLite's errors their kinds, for all who keep something in a SQLite file.
//
//	err = sqlitefault.Wrap(err, "read the index", "delete its folder and start again")
//
// An error that has a kind already keeps it. The statements of this program are right for their tables, so one that SQLite refuses
// has met other tables, or rows that are there already: the file is Corrupt, and the text says what to do about that.
package sqlitefault
