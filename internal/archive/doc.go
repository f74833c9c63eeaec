// SPDX-License-Identifier: Apache-2.0

// Package archive keeps a V10 that is over for years, where nobody can change it: a checkpoint of its rows, and files that belong to it, in a store
// of objects with a date.
//
//	m, err := archive.Write(ctx, archive.Config{Store: store, Changes: "http://127.0.0.1:4005", Engine: "rocksdb", Ledger: "bank-v10", …})
//	report, err := archive.Verify(ctx, archive.VerifyConfig{Store: store, SamplePercent: 1, Seed: seed})
//	m, err = archive.Restore(ctx, archive.RestoreConfig{Store: store, Dir: dir})
//	books, err := archive.Accounts(ctx, rows, archive.AccountsConfig{…})        // rows are what was restored
//
// Files are cut into objects of at most ObjectBytesMax, each named by its SHA-256. The manifest, written last and signed, says which files there
// are, of which objects, and until when. docs/archive.md describes the form for who has to read it without this program.
//
// Invariants:
//
//  1. Without a manifest there is no archive. It is written when every object that it names is in the store, and was seen to be kept until its date.
//  2. Killed anywhere and started again Write goes on with the same checkpoint: what the store has and keeps long enough is not sent again.
//  3. An object is read by the version that the manifest names. What others put over it later is not read.
//  4. A manifest without a signature is none. Who has to have signed it, the caller says: a signature alone only says that somebody did.
//  5. Damage is a finding of Verify, with the files that it touches; a store that does not answer is an error, and says nothing about the archive.
//  6. Restored files are compared with the digests of their objects and with their own, and lie below the folder that was named.
//  7. Memory is bounded by the manifest (about 200 B an object) and a buffer for each of a few objects under way, whatever the size.
//  8. No name of V10's is in a manifest, a report, an error or a log. The checkpoint holds them: who may read the store may read them.
//
// Package folder keeps objects in a folder, package s3 in a bucket with object lock. V10 writes the checkpoint when it is asked by the port that
// anybody who copies it uses, and no more is known of its rows than Accounts reads.
package archive
