// SPDX-License-Identifier: Apache-2.0

// Package transporttest is a network in memory whose nodes are transport.Transports, and the suite that both kinds pass.
//
// It has no goroutine and no clock of its own: the test pumps it with Step and Advance, and a seed decides what the faults
// hit. So a whole cluster runs in one goroutine, and the same seed gives the same run.
//
//	net := transporttest.New(seed)
//	a, b := net.Node(0), net.Node(1)        // set their peers, start them
//	net.SetFaults(transporttest.Faults{Drop: 0.01, DelayMax: 5 * time.Millisecond})
//	for net.Step() { … }                    // delivers what is due, one frame a call
//
// What a Receiver sees is what it sees of transport.TCP: order for one sender and class, queues with the same bounds and
// answers, loss when a connection breaks. A frame counts as queued until it is delivered, for there is no kernel in between.
// Duplicates and another order come only when asked for: TCP never shows them.
package transporttest
