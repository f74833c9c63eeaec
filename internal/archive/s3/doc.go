// SPDX-License-Identifier: Apache-2.0

// Package s3 keeps an archive in a bucket of S3, or of what speaks its protocol, whose object lock is on.
//
//	s, err := s3.Open(s3.Config{Endpoint: "https://s3.eu-central-1.amazonaws.com", Bucket: "v10", Prefix: "bank", Credentials: c})
//	err = s.Ready(ctx)       // Refused: the bucket has no object lock
//
// Invariants:
//
//  1. Each object has its own retention, in mode COMPLIANCE, given with the bytes: it does not rest on the bucket's default, which its owner may
//     clear. What the store says afterwards is read back from the object itself.
//  2. An object goes in one request with its SHA-256, which the server compares: it is there whole and right, or not at all. It is read
//     from the file as it is sent, so memory does not grow with it.
//  3. Objects are read by their version. Without one it is the oldest: a lock keeps a version, not a name, and whoever may write can put another
//     version, or a mark of removal, over it.
//  4. Without TLS it only talks to this machine.
package s3
