// SPDX-License-Identifier: Apache-2.0

// Package tablefile reads the rows of a table out of an SQLite file without the engine.
//
//	f, err := tablefile.Open("imported.db")
//	err = f.Rows(root, after, func(rowID int64, r *tablefile.Record) bool { … })
//
// The engine interprets a program for each row and hands out each column by two calls; that was a quarter of a comparison's processor time.
// In the file a row is a few bytes at a known place. The format is https://www.sqlite.org/fileformat2.html: tables are B-trees of pages, rows are
// cells of their leaves.
//
// It reads what is plain and nothing else: rows that lie whole in a page, in a file that is no write-ahead log's. All else, and all that does
// not fit together, is ErrNotPlain, and the caller asks the engine, who knows better or says what is wrong.
//
// Invariants:
//
//  1. No content of a file makes it panic, read without end, or take more memory than a page for each of depthMax levels.
//  2. Rows come by ascending number, each once.
//  3. It takes no lock. Who reads holds one of the engine's meanwhile, and closes the File only after the engine's connection: closing
//     lets go of all locks that the process has on a file.
package tablefile
