// SPDX-License-Identifier: Apache-2.0

// Package gateway stands in front of the validators of a network: one address for clients that is no validator's, the REST dialect
// of V10, and the query index, so that no validator spends its CPU time on lists.
//
//	g, err := gateway.Open(ctx, settings, log)
//	err = g.Run(ctx) // until ctx ends, then calls may end for a while
//	err = g.Close()
//
// A call passes as the frames it came in, with its metadata, to a validator over one of a few connections that stay open; the
// answer, the status and its details come back the same way. Calls of one client connection go to one validator as long as that
// is well, so that who has a receipt reads its effect. ListTransfers is answered here, and of a Status the fields of the index.
//
// With rest.listen it serves the dialect as a node does (package restv10), with a desk and readers behind the validators' API (package
// remote).
//
// Invariants:
//
//  1. The gateway has no rules of its own: whatever a validator says passes, right or wrong. What is signed is checked by the
//     client.
//  2. What changes something is sent once. A call that was lost on its way ends as Unavailable without a word of a node, so that
//     the client knows that it does not know. A unary read is asked twice at most, the second time of another validator.
//  3. The index believes no validator. A header is proved by its certificate, or by the hashes that lead to it from one above; the
//     members of an epoch by its handover, from the genesis on; payloads and outcomes by the header's line. What does not prove
//     itself is refused and counted, and the next validator is asked.
//  4. A gap is recorded in the index only when more validators say that something is gone than may lie.
//  5. Nothing waits for the index (package index), and an index that cannot be used does not stop the calls.
//  6. The dialect believes validators, and holds no key of money. When the gateway stops it drains first, and all else goes on until
//     it has.
//  7. Who is asked, for how long and how often is the matter of the pool (package upstream), of which there is one.
//
// Bounds: those of grpcapi for messages, windows, streams and idle peers; CallsMax calls under way; ConnectionsPerValidator; 2 MiB
// and a batch of what is read of the chain, and recentMax proved headers. At ctx's end calls have DrainMax.
package gateway
