// SPDX-License-Identifier: Apache-2.0

// Package report keeps what was measured as JSON, and writes the tables of docs/bench/peers.md from it. The notes around
// the tables are written by hand; a test holds the tables and the JSON together.
//
// Systems are compared within a class: those that confirm when a majority of several copies is on disk with each other,
// and those that keep one copy with each other.
package report
