// SPDX-License-Identifier: Apache-2.0

// Package folder keeps an archive in a folder: for trials, and where the folder itself is on a medium that is written once. A file system does not
// keep its owner from changing a file: what this store promises holds against this program, and archive.Verify finds what somebody else did.
//
//	s, err := folder.Open("/srv/archive")
//
// Invariants:
//
//  1. An object is a file that nobody may write (0440), and a note beside it with its digest and its date. Without the note it is not there.
//  2. Put never replaces an object. There is no way to remove one.
package folder
