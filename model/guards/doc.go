// SPDX-License-Identifier: Apache-2.0

// Package guards models two guard processes before one V10, with one durable record between them: an old one that was paused, not
// dead, and the one that was started in its place.
//
// The package move knows one guard, which crashes and restarts. Here each start and each fence is taken apart: the barrier, the reading
// of the record, the writing of the record, the signature. Any process may pause between any two steps for as long as it likes.
// V11 has the slot once a fence is signed (a controller submits it at once), and the invariant is that nobody can then
// make V10 execute a debit.
//
// There are two slots, because a generation is the guard's and a closing is a slot's: a guard that takes a generation from another for the
// fence of one slot is the newest for all its others.
//
// Bounds: two processes, two slots, Starts starts of them in all, one request a generation and slot inside V10.
package guards
