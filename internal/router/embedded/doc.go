// SPDX-License-Identifier: Apache-2.0

// Package embedded is the router inside the process, for a network on one machine: a reverse proxy before V10 and V11 of the dialect, and a
// driver of package router that is told the map by a call.
//
//	p, err := embedded.New(embedded.Config{Dir: dir, V10: "http://127.0.0.1:9003", V11: []string{"http://127.0.0.1:9001"}, Metrics: registry})
//	go p.Serve(ctx, listener)
//	err = router.Apply(ctx, p, m)
//
// Invariants, besides those of package router:
//
//  1. A request is written to one server at most. Another server of the same side is tried only if no connection was had; the HTTP library
//     replaces a connection only if it wrote nothing on it, or the request is a read.
//  2. Only bodies that name an account are gathered, and they go on as they came. All else streams both ways.
//  3. Clients cannot pretend to be a router: the headers that routers and guards add are taken off.
//  4. A map is on disk before it is in force.
//
// Bounds: UnderWayMax requests, BodiesBytesMax of gathered bodies, v10's bounds of one body, answerMax for a request that is no stream.
// Beyond them a client is told 503, 413 or 504, and each is counted by its reason.
package embedded
