// SPDX-License-Identifier: Apache-2.0

// Package v10sync runs V10's half of the sync beside a V10: its changes onto the bus, V11's to it. V11's half runs in its nodes.
//
//	h, err := v10sync.New(v10sync.Config{Bus: b, Port: "http://127.0.0.1:4005", Ledger: "production-v10", Other: genesis})
//	go h.Run(ctx)                              // until ctx ends
//	s, err := h.Status(ctx)                    // where both directions are, and what holds them
//	err = h.Retry(ctx)                         // a person asks for another try of the record that is held
//
// Each direction is a loop of its own around package v10port: what ends it is said, and it begins anew from what the topics and V10
// say a moment later. So neither direction needs the other, nothing is kept here, and several of these may run beside one V10.
//
// Invariants:
//
//  1. A direction goes on from where V10, or the topics, say that it stands. Nothing is remembered between two tries.
//  2. A record that V10 does not take is tried HoldTriesMax times. Then it is among the dead letters, and nothing behind it is applied
//     until a person asks for another try (Retry), or V10 passed over it on a sealed skip, which is seen in its inbox.
//  3. What else ends a direction for good is tried again all the same: a person may have mended it. It costs a look every RetryPause,
//     and is logged once for each reason.
//  4. V10's inbox is opened once, for the V11 of Config.Other at Config.From. One that is open for another is left as it is, and said.
package v10sync
