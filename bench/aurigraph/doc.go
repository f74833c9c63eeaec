// SPDX-License-Identifier: Apache-2.0

// Package aurigraph measures Aurigraph by its own bench: real node processes, real clients, TLS 1.3, 1,000,000 accounts,
// batches of 8,192 transfers under one ML-DSA-65 signature that each node verifies, every flush awaited.
//
// A transfer is a double entry that was checked against the payer's balance, executed by every node, certified by a quorum
// and proved to the client by its receipt.
//
// The bench's load is open-loop. To compare with systems under a closed loop, more is offered than the highest rate that the
// bench's own search has seen: the nodes then go as fast as they can, and a latency, counted from when a batch was due,
// says only how long the queue has become. A second row offers a part of that rate, and there the latency means something.
package aurigraph
