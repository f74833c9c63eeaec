// SPDX-License-Identifier: Apache-2.0

// Package loadgen measures a network as a client sees it: `aurigraph bench transfers`.
//
// Load is open-loop: each batch has a time at which it is due, whatever the network does, and its latency counts from
// that time, so a stall is seen by all the batches that it delayed. Batches are signed before they are due; their bodies
// are made again from a seed when they are sent, so that minutes of load fit in memory. Every receipt's certificate,
// header line and outcome array are verified, and for one leg in a thousand the node's BLAKE3 slice as well.
//
// The rate is searched for in a few short steps, then held for the measurement. After the nodes have stopped, their
// newest checkpoints are read back: roots are recomputed and compared with the certified header's, and money is counted.
//
// RunFailover kills leaders while payments go on. RunCatchUp kills a follower, lets it fall behind under a steady load, and
// measures how it comes back: by the blocks that it lacks, or by a peer's state when their payloads are gone.
//
// RunGateway measures how V10's clients are served: a payment over REST beside one over gRPC, batches, gateways that restart behind
// a proxy, and WebSockets. It sends by the clock as well (gateway_pace.go), and what it says was paid the ledger counted.
package loadgen
