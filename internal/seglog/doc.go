// SPDX-License-Identifier: Apache-2.0

// Package seglog is the append-only log in which the ledger's truth lies: payload lanes and the ordering log both use it.
//
// A log is a folder of segment files of one size. They are written with zeros before they are needed and used again
// after retention lets them go, because a write into a file that does not grow, past the page cache, costs a fraction
// of one that grows: no metadata is flushed and no page is copied. FORMAT.md draws the bytes.
//
//	pool := seglog.NewPool(64<<20, 16<<20)            // shared with the network edge
//	log, err := seglog.Open(dir, seglog.Options{Name: "lane", Identity: id, Pool: pool})
//	b, err := pool.Get(ctx, len)                      // memory of a whole record
//	io.ReadFull(conn, b.Payload())                    // filled once, never copied
//	b.SetMeta(kind, meta); b.Seal()                   // the checksum, on this goroutine
//	b.Retain()                                        // if it is executed from after the append
//	err = log.Append(ctx, b, func(at seglog.Pos, err error) { … })
//
// A record's way: Append puts it in a queue bounded in bytes; the one writer takes what is queued, gives it sequences
// and one group number, writes it in one go, flushes once, lets readers see it and calls done in order. The flush of
// one group is the time in which the next one gathers.
//
// Invariants:
//
//  1. done(nil) is called after the flush, so an acknowledged record survives a loss of power.
//  2. Group g+1 is written only after group g was flushed, and each record says where its group began. So damage can be
//     told apart: what the last group alone explains is a torn tail and is cut off; all else is Corrupt, and nothing is
//     repaired silently. What no record can prove is damage in the very last group: its loss looks like a torn tail.
//     Who knows better (a stored height) says so with Options.WrittenSeq.
//  3. After a failed write or flush the log is dead (Halted) until it is opened again. Nothing is retried.
//  4. A segment's header is flushed before its first record is written, and at most one named segment has none.
//  5. A spare is zero on disk before it is called a spare; a segment loses its name durably before it is overwritten.
//  6. No space on the disk is noticed while preparing ahead, never in the middle of a record: appends are told TryLater
//     before anything is written, in order, and go on when a segment is ready again. With Options.Reserve they are told by
//     Append, before anything was taken over: the log's user need not stop.
//
// Repair: Survey reads a log that is not open and tells which records are lost in which segment; Mend writes such a segment
// anew beside the damaged file, with records from elsewhere, and puts it in its place. Scrub finds damage while the log is open.
//
// Bounds: Options.QueueBytesMax (Append blocks), GroupBytesMax, Pool (Get blocks, TryGet sheds), ReadyMin and
// RecycledMax files. Two processes must not open one folder: the caller holds the lock of the node's folder.
package seglog
