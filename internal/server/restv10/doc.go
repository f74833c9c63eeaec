// SPDX-License-Identifier: Apache-2.0

// Package restv10 serves the dialect of Aurigraph V10 over HTTP/1.1: the rows of v10.Endpoints, answered from the certified ledger,
// and payments through the custody desk. It translates; rules of money are the desk's and the ledger's, words are package v10's.
//
//	s, err := restv10.New(restv10.Config{…}, restv10.Parts{Desk: desk, Reader: reader, Access: access, …})
//	err = s.Serve(ctx, listener) // until ctx ends, then it drains
//
// A request is matched and admitted in serve.go, read in request.go, handled by the handler of its row, and answered in answer.go.
// Handlers stand in one file for each group of the table, and routes.go says which is whose. Below that, edge.go sees the bytes of a
// connection. WebSockets: handshake.go takes a connection over, readiness.go knows who said something, hearing.go and inbound.go take it in,
// sockets.go wakes, socket.go sends, wire.go is the connection.
//
// Invariants:
//
//  1. A payment is answered 200 only when it is certified. A refusal is never answered as success, and what nobody knows yet is
//     504, never a refusal.
//  2. Figures are the ledger's or this server's own measurements; what has no engine is zero or empty, as the table says.
//  3. A transaction is looked up by its place; only lists may come from the index.
//  4. Everything a client can make grow has a bound in bounds.go, which /api/v10/admin/limits publishes. At the bound the client is
//     told 413, 429 or 503 with Retry-After, a slow one 408 or nothing, and all are counted. What cannot be read as a request has V10's
//     body as well.
//  5. A subscriber is a cursor on the chain, not a queue. One that stalls delays nobody: it is closed with a reason and the height
//     from which it can resume. A frame is made once for all, and goes out whole or is the last. Between messages it has no goroutine and
//     no buffer.
//  6. A server that is told to stop first says so (unhealthy, Connection: close), goes on for a while, and then ends what is under
//     way. Serve returns when everything that it started has ended.
//  7. Payments of one request reach the desk in their order; a stream's next lines when those before are answered. The desk keeps the
//     order of each payer whatever else is under way (package custody). Across payers it keeps it within what it loads together.
//  8. A payment is under one key: the client's, else one made of the proxy's request id, in a name space of its own.
//  9. What only V10 may do is sent on to V10, once, if the desk did nothing, the server was told where V10 is and nobody sent it on before
//     (home.go). V10's answer is passed on as it is; payments of several for both ledgers are parted and keep their numbers (several.go).
package restv10
