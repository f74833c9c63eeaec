// SPDX-License-Identifier: Apache-2.0

// Package s3server runs a real server of S3's protocol for a test: versitygw over a folder of the test, with versions and object lock, on a free port
// of this machine.
//
//	s := s3server.Start(t)
//	store, err := s3.Open(s3.Config{Endpoint: s.Endpoint(), Bucket: s.Bucket(t), Credentials: s.Credentials()})
//	s.Files(bucket)             // where the objects lie, to damage them
//
// It needs the program that scripts/versitygw builds once into the user's cache, and a file system with extended attributes. Where either is
// missing the test is skipped and says so.
//
// Invariants:
//
//  1. Only the process that Start started is signalled, by its own pid. It ends with the test, and with the test's process.
//  2. Its password is drawn for the test and stands in its environment alone.
package s3server
