// SPDX-License-Identifier: Apache-2.0

// Package kafkaserver runs a real Apache Kafka for a test: one broker that is its own controller, in the test's folder, on free ports
// of this machine.
//
//	s := kafkaserver.Start(t)
//	cfg := bus.Config{Brokers: []string{s.Address()}, …}
//	s.Restart(t)                // kill -9, and recovery
//
// It needs java and the jars that scripts/real fetches once into the user's cache. Where either is missing the test is skipped and
// says so.
//
// Invariants:
//
//  1. Only the process that Start started is signalled, by its own pid. It ends with the test, and with the test's process.
//  2. A restart has the same port and the same folder: a killed broker recovers what it acknowledged.
package kafkaserver
