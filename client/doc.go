// SPDX-License-Identifier: Apache-2.0

// Package client is the Go SDK of an Aurigraph network: it submits, reads, follows, and believes nothing that it can
// check.
//
//	trust, err := client.ReadTrust(genesisJSON)
//	c, err := client.Dial(ctx, client.Config{Endpoints: []string{"node1:9090", "node2:9090"}, CAFile: "ca.pem", Trust: trust})
//	signed, err := client.SignTx(signer, client.Tx{Chain: 7, Sender: 12, Key: 3, Nonce: 1, ValidUntil: h + 1000,
//		Body: &client.Transfer{To: 13, Asset: 1, Amount: client.Units(500)}})
//	receipt, err := c.SubmitTx(ctx, signed)
//
// What is trusted is Trust alone: a chain id and the first validators' keys, as the network's genesis names them. Validators
// come and go by membership epochs; each epoch's quorum signs who comes after it, and a Client that meets a later epoch than it
// knows asks for these handovers and proves them from the genesis on. Until then it believes the members of the epoch that it
// knows. A receipt is verified against the epoch of its block: the certificate (a quorum of members signed this executed
// header), the outcome (its array hashes to the header's line) and, for single transactions and legs, the place (a BLAKE3 slice
// under the batch id in the header). Verifier does the same offline. Answers that carry no proof (lists, events, assets, an
// account without proof) are the word of the node. So is the place in the answers of a TxStream, whose outcomes are verified
// (see TxAnswer), and so is every "not found": what is there can be proved, that something is not there cannot.
//
// Errors have a Kind (see KindOf). Calls are retried only where that is safe: submissions are idempotent by id. A
// submission whose fate is not known returns an *UnknownOutcomeError: ask Transaction or Batch with its id, or send the
// same bytes again; never sign a second time before that.
//
// Invariants:
//
//  1. With Trust set, nothing is returned as verified, and no submission as done, that the certificate does not prove.
//  2. Every call ends: by the caller's context or by Config.Timeout.
//  3. No node can make a Client take anyone for a validator whom a quorum of the epoch before did not name.
//  4. A Client has no goroutine of its own beside gRPC's; Close ends those. A stream is closed by its owner.
package client
