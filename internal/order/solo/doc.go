// SPDX-License-Identifier: Apache-2.0

// Package solo is the ordering engine of a network with one validator: it decides what it is offered, in order, as soon
// as its own log has it.
//
// The decision itself is core, a step function. Engine is the loop around it: pace, log, delivery. Proposals are pipelined
// up to a window: the next one is cut while earlier ones are being written, and the log's group commit merges them.
package solo
