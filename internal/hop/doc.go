// SPDX-License-Identifier: Apache-2.0

// Package hop sends requests of V10's dialect on to the ledger where they belong: V10 serves the accounts that it owns, whichever door
// their payments come to.
//
//	c, err := hop.New(hop.Config{URL: "http://v10:9003"})
//	answer, err := c.Forward(ctx, &hop.Request{Method: "POST", Target: "/api/v10/transactions", Body: body})
//	lines := c.Lines(&hop.Request{Method: "POST", Target: "/api/v10/transactions/stream"})
//	answers, err := lines.Exchange(ctx, payments)
//	lines.Close()
//	results, err := c.Batch(ctx, request, items, places)        // those items of a batch; the other ledger makes the rest
//	beside := c.Numbered(request)                               // the same for a stream
//	c.Close()
//
// Invariants:
//
//  1. A request is sent at most once. What was sent and not answered whole is Timeout: nobody knows yet what became of it. The HTTP library
//     sends again only what it has not begun to write.
//  2. TryLater says that nothing was sent.
//  3. Every request has Header, so that who gets it does not send it on again.
//  4. The answer is the other ledger's: status, headers but those of the connection, and body. No redirect is followed, no proxy of the
//     environment asked, nothing unpacked.
//
// Bounds: UnderWayMax requests and streams, beyond which TryLater; ConnectionsMax connections; AnswerBytesMax of an answer, LineBytesMax of
// a line of one. A request ends with its caller's context or after TimeMax, a stream with its caller's context, or when answers take TimeMax.
package hop
