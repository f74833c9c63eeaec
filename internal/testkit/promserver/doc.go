// SPDX-License-Identifier: Apache-2.0

// Package promserver runs a real Prometheus for a test, on a free port of this machine, with rules and targets of the test.
//
//	p := promserver.Start(t, promserver.Config{Rules: []string{path}, Targets: targets})   // targets as file_sd_configs has them
//	p.URL()
//	p.Firing(t)                 // names of the alerts that fire now
//	p.Up(t)                     // how many targets of each job answer
//
// It needs Debian's package prometheus (scripts/deps). Where that is missing the test is skipped and says so.
//
// Invariants:
//
//  1. Only the process that Start started is signalled, by its own pid. It ends with the test, and with the test's process.
//  2. It listens on the loopback alone and keeps nothing behind the test.
package promserver
