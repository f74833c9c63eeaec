// SPDX-License-Identifier: Apache-2.0

// Package custodyapi is the custody desk over gRPC: it translates proto/aurigraph/custody/v1 to package custody, and decides nothing
// but who calls.
//
//	custodyapi.Register(server, desk, custodyapi.Open{})
//
// It registers with the server of the native edge, whose interceptors limit, count and give errors their gRPC codes.
//
// Invariants:
//
//  1. Nobody acts for an account before Access has said who calls and the Caller may: also in each payment of a PayMany.
//  2. A caller's idempotency keys are his own: nobody meets another's answers by guessing a key.
package custodyapi
