// SPDX-License-Identifier: Apache-2.0

// Package etcd measures etcd: three members on loopback, each with its own folder, flushing every proposal.
//
// A transfer is one put of a 64-byte record under the payer's key. That is generous: two balance changes would be two puts
// behind a comparison, and nobody checks a balance here. Puts are confirmed when a majority has them on disk.
//
// In the opaque variant a put carries 1,024 records under one key, none of which can be found or changed by itself: what
// replication alone would bear.
package etcd
