// SPDX-License-Identifier: Apache-2.0

// Package grpcapi is the native edge: it translates proto/aurigraph/ledger/v1 to what the node does, and decides nothing.
//
// The fast path is SubmitBatches: half a megabyte a message, hundreds a second. Its messages never become a generated
// struct. A codec reads the three fields where they lie in the received frames and copies the batch once, into the
// memory that is later hashed, written and executed from (seglog.Buffer). All else goes through the ordinary codec.
//
//	s := grpcapi.New(grpcapi.Config{TLS: tls, Log: log}, backend, registry)
//	err := s.Serve(ctx, listener)
//
// Invariants:
//
//  1. Every error leaves with a kind, a reason and a text that tells nothing of the node's inside (errors.go has the one
//     table). An error without a kind is logged here and leaves as "internal".
//  2. Every submitted message is answered, in order, on its stream; a refusal is an answer, not the end of the stream. At
//     the bound of unanswered messages the server stops reading, so that HTTP/2 flow control holds the client.
//  3. A batch's buffer has one owner at any time: the message until SubmitBatch, the backend from then on.
//  4. A handler that panics answers Internal and is counted; the node lives on.
//  5. Serve returns when every handler and every goroutine of one has ended.
package grpcapi
