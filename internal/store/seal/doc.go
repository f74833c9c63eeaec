// SPDX-License-Identifier: Apache-2.0

// Package seal writes down every byte of a directory that is at rest, so that any later change of it is found.
//
// Storage engines check the bytes that they happen to read, in their own way, and take a damaged tail of their log for
// a crash. A sealed directory leaves no such doubt: the file SEAL lists each file with its size and BLAKE3, and hashes
// itself.
//
// Invariants:
//
//  1. A directory with a SEAL has not been written to since it was sealed: whoever opens it for writing calls Remove
//     first, which returns after the removal is durable.
//  2. Write syncs every file before it hashes it, and puts the SEAL in place by a durable rename, last.
//  3. SEAL has exactly one form for its content, so that no flipped bit of it is overlooked.
//
// SEAL is text:
//
//	aurigraph seal 1
//	<blake3, 64 hex digits> <size in bytes> <path, slash-separated>     one line a file, sorted by path
//	<blake3, 64 hex digits, of all lines above>
package seal
