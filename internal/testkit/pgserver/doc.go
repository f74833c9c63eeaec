// SPDX-License-Identifier: Apache-2.0

// Package pgserver runs a real PostgreSQL for a test: a new cluster in the test's folder, on a free port of this machine, with
// fsync on and passwords asked for.
//
//	s := pgserver.Start(t, pgserver.Options{})
//	url := s.Database(t)       // a new, empty database; the password is in a passfile
//	s.Kill(); s.Restart()      // kill -9, and recovery
//
// Where there is no postgres binary in PATH or below /usr/lib/postgresql, the test is skipped and says so. PostgreSQL refuses to run
// as root: then it runs as "postgres" or "nobody".
//
// Invariants:
//
//  1. Only the process that Start started is signalled, by its own pid. It ends with the test, and with the test's process.
//  2. A restart has the same port, so that who is connected finds it again.
package pgserver
