// SPDX-License-Identifier: Apache-2.0

// Package obs is how a node is watched: structured logs, metrics, health, and the names they share.
//
// Invariants:
//
//  1. A log record's keys are the constants of keys.go, so that one query finds a thing in every package's records.
//  2. Nothing here is global: loggers, registries and health are passed in. Two nodes fit in one process.
//  3. Labels have few values, fixed in code: a stage, a reason, a kind; never a peer, an account or a hash.
//
// A package that measures takes a prometheus.Registerer and names its metrics
// aurigraph_<package>_<noun>_<unit>[_total].
package obs
