// SPDX-License-Identifier: Apache-2.0

// Package server is the ground on which the edges stand: listeners with a bound on connections, TLS, and the plain HTTP
// server for metrics and health. The protocols are its children (grpcapi); they translate and decide nothing.
//
// Invariants:
//
//  1. TLS is version 1.3, its key exchange hybrid (X25519 and ML-KEM-768) with every peer that knows it.
//  2. A listener has a bound on open connections. At the bound new ones wait in the kernel's queue; none is dropped.
//  3. Run and Serve return only when all they started has ended.
package server
