// SPDX-License-Identifier: Apache-2.0

// Package rawhttp is HTTP/1.1 as the plainest client speaks it: requests that are bytes already, one after the other on connections
// that are kept, and never a retry. net/http sends a request again on another connection when the first was closed under it; whoever
// counts what a server loses needs a client that does not, and whoever loads one needs a client that costs little.
//
//	pool := rawhttp.NewPool("127.0.0.1:8080", 1024)
//	request := rawhttp.AppendPost(nil, "127.0.0.1:8080", "/api/v10/transactions", body)
//	err := pool.Do(deadline, request, func(r *rawhttp.Response) { … })
//
// Invariants:
//
//  1. A request is written at most once. Any error means that its answer did not come, whatever the server did.
//  2. A connection carries one request at a time, and none after an error or an answer with Connection: close.
//  3. A response's body is valid until the function that was given it returns.
//
// Bounds: headers of headerBytesMax, bodies of BodyBytesMax, the pool's connections. Answers without Content-Length are refused: what
// this package is pointed at never sends one.
package rawhttp
