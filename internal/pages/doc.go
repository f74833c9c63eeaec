// SPDX-License-Identifier: Apache-2.0

// Package pages holds all executed state of the ledger as arrays of plain records, cut in copy-on-write pages, with
// snapshots for free and an incremental state root.
//
// Why pages: state changes everywhere within 100 ms under load, so a tree per record would hash and allocate per record.
// A page of 1,024 balances is copied, hashed and written once per snapshot, however often it changed.
//
// A Space is a set of columns, one per section. The writer reads records by Column.Ref and changes them by Column.Mut;
// both return a pointer into the page:
//
//	balances := pages.NewColumn[chain.Amount](space, 7, accountsMax)
//	balances.Mut(from).Lo -= 5
//	sn := space.Snapshot() // then, in any goroutine: tree.Update(sn), a checkpoint, queries; at last sn.Release()
//
// A record is a plain struct or array of fixed-width integers without padding, blank fields, bools, floats or pointers:
// every byte of it is a field's byte. Give padding a name and keep it zero. Records of a power of two bytes are found by
// a shift and fill their page; others cost a multiplication and the page's tail.
//
// Invariants:
//
//  1. A live snapshot never changes: a page is reused or written in place only when no live snapshot sees it.
//  2. A page's born epoch changes whenever its content may have. So (page number, born) identifies content within a
//     Space, and neither the tree nor a checkpoint compares bytes.
//  3. The root is a function of the sections' bytes alone, not of history: FORMAT.md defines it. An absent page and a
//     page of zeros are the same thing, at the end of a section too.
//  4. There is one writer. Snapshots are read by anyone and released by anyone.
//
// Memory: pages come in slabs and are recycled, never given back. Under full load the Space holds the present pages plus
// those that live snapshots still see; a released snapshot's pages are written in place without a copy.
//
// Why 16 KiB and zeebo/blake3, measured for 16 MiB on one core (AMD EPYC of family 23, 2 GHz nominal, AVX2, no AVX-512,
// Go 1.26):
//
//	page      zeebo/blake3   lukechampine/blake3   lukechampine guts.CompressBuffer
//	4 KiB     25.7 ms        84 ms                 -
//	8 KiB     14.5 ms        64 ms                 -
//	16 KiB    12.1 ms        47 ms                 20.3 ms
//	whole     11.3 ms        -                     -
//
// Eight chunks of 1 KiB fill the vector unit, so a 4 KiB page wastes half of it, and 16 KiB come within 7 % of what the
// library can do at all. Copying 16 MiB takes 2.7 ms.
package pages
