// SPDX-License-Identifier: Apache-2.0

// Package orderbench measures the ordering engine alone, as `aurigraph bench order` does: how many rounds a second it
// decides, how long one takes, and what that costs each node.
//
//	report, err := orderbench.Run(ctx, cfg, command, progress)  // command starts a process that calls Member
//	err = orderbench.Member(ctx, os.Stdin, os.Stdout)           // in that process
//
// Run starts a process for each node. A member has the engine, the log and the transport that a node has, and nothing
// else: no lanes, no execution, no certificates. Its digests stand for batches that need not exist. It is led over its
// standard input and output: one line of JSON is a request, one line the answer, and the end of input the end of it.
//
// A round is one decided proposal. Its time runs on the leader, from the offer of its digest until it left Decided there,
// which is durable on a quorum. Without a rate, Window digests are on their way all the time, each in a proposal of its
// own. With one, digests are offered when they are due, whatever the engine does, and their times run from then: a stall
// is seen by all that it delayed.
//
// Before the measurement all members are connected, agree on a leader for settleTime, and work for warmupTime. After it
// what was offered is decided to the end, and a hash over all decided proposals must be the same in every member.
//
// Bounds: nodesMax processes, windowMax or openMax digests on their way, logs that keep keepHeights proposals,
// measurements of at most durationMax, and a time for each wait.
package orderbench
