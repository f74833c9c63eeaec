// SPDX-License-Identifier: Apache-2.0

// Package history reads the durable past: blocks by height, receipts by id, payloads by place, and the transfers in them.
//
// It derives everything from what package commit wrote and from the lane's segments, so it needs no index and keeps no
// state. What retention recycled answers Pruned; headers, certificates and outcomes stay.
package history
