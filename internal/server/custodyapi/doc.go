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
//  2. Who names another one as the caller of a payment may do so (Caller.Behalf), and then acts only under that one's keys.
//  3. A caller's idempotency keys are his own: nobody meets another's answers by guessing a key.
//  4. With RegisterAudited, each write of a caller who was let in is a line of the trail, also one that was refused; and nothing is
//     written that cannot be written down. A gateway's line has the gateway's key: its own trail says for whom it was.
package custodyapi
