// SPDX-License-Identifier: Apache-2.0

// Package nginx runs a real nginx in front of servers of the V10 dialect: for benches, and for tests that want what clients meet in
// production. It writes the settings, starts nginx on a free loopback port in a folder of its own, waits until it serves, and stops it.
//
//	n, err := nginx.Start(ctx, nginx.Config{Dir: dir, Upstreams: []string{"127.0.0.1:9001", "127.0.0.1:9002"}})
//	… "http://" + n.Address() …
//	err = n.Stop()
//
// Run does the same with settings that somebody else wrote.
//
// The settings are those that lose nothing while upstreams are restarted, and each says why in the file (conf.go): an upstream that
// refused once is not given up for ten seconds, a request that an upstream did not take is given to the next one although it is a POST,
// and each carries an id of its own, by which an upstream recognises it when it comes again.
//
// Invariants:
//
//  1. Nothing is written outside Config.Dir, and nothing is left running after Stop: nginx ends with the process that started it.
//  2. Start returns a proxy that answers, or an error with what nginx said.
//  3. The machine's own nginx, if it runs one, is neither read nor touched.
//
// Bounds: UpstreamsMax upstreams, startMax and stopMax for each wait, portTries ports.
package nginx
