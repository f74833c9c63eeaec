// SPDX-License-Identifier: Apache-2.0

// Package peer measures a system that keeps transfers: anything that can be started, loaded and stopped.
//
// The rules are the same for all. A transfer counts when its client was told that it is durable, inside the window and
// not before or after it. The load is closed-loop: a fixed number of requests is always under way, so the rate is the
// highest that this much concurrency gets, and the latency is the one at that rate. What the servers used is read from
// /proc at both ends of the window; what the load generator used is kept apart.
package peer
