// SPDX-License-Identifier: Apache-2.0

// Package faultfs is a disk.FS in memory that fails and loses power on command, for tests of whatever writes files.
//
// It remembers which writes, sizes and names were flushed. Crash gives the file system as found after a loss of power:
// all that was flushed, and a seeded choice of the rest — any subset of unflushed 512-byte sectors, and any prefix of
// the unflushed creations, renames and removals. The usual test stops at the n-th operation for every n:
//
//	for n := 1; ; n++ {
//		fs := faultfs.New()
//		fs.StopAfter(n)                 // operation n+1 and all later ones fail with ErrCrashed
//		acked, finished := run(fs)      // the workload
//		check(fs.Crash(seed), acked)    // open again, nothing acknowledged may be missing
//		if finished { break }
//	}
//
// Inject makes single operations fail, SetSpace fills the disk, Flip damages a byte.
package faultfs
