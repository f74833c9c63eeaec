// SPDX-License-Identifier: Apache-2.0

// Package grpcapitest is a node in memory for tests of the gRPC edge and of clients: every submission becomes a block of
// its own, signed by generated validators, with real proofs. It checks no signature and moves no money.
package grpcapitest
