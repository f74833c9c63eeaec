// SPDX-License-Identifier: Apache-2.0

// Package nginx is the router in production: settings for Debian's nginx with its Lua module, the Lua that routes, and the driver that
// tells it the map.
//
//	err := nginx.Write(nginx.Config{Dir: "/etc/aurigraph/router", Listen: []string{":443"}, Certificate: …, V10: …, V11: …})
//	d, err := nginx.NewDriver("127.0.0.1:9180")
//	err = router.Apply(ctx, d, m)
//
//	r, err := nginx.Start(ctx, cfg)          // benches and tests: an nginx of their own, which is a driver too
//	err = r.Stop()
//
// The map is in memory that all workers share (lua_shared_dict); each compares a stamp at each request and reads the map anew when it
// changed, so a change costs no reload, and no connection. The folder's file state/router.map has it for the next start.
//
// Invariants, besides those of package router:
//
//  1. Conf is a function of Config: the same settings have the same bytes, and testdata has them.
//  2. What Lua knows of paths is written from package v10's table.
//  3. GET /map is written from what the worker routes by, not from what it was sent.
//  4. Only loopback and sockets of the machine can tell a router anything. Who may open the socket, or is on the machine, may.
//  5. A request is given to another server only of the same side, and after it was sent only where it is a read or its id makes it known.
//  6. What is told to the shadow is told after the request has ended, by nobody that a client waits for.
//
// Bounds: v10.BatchBytesMax of a body, which is in memory; router.TextBytesMax of a map; setMax for a call of the driver; ServersMax;
// 32 reads at once that a worker tells the shadow.
package nginx
