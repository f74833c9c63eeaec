// SPDX-License-Identifier: Apache-2.0

// Package historytest is a running network of one validator in memory, for tests of what reads the past and the present:
// the real ledger, writer, ordering and lane, over a file system and a block store in memory. Signatures of clients are
// not checked: that is the door's work, and there is none.
//
// A World lives in a bubble of testing/synctest, where its pauses cost no time.
package historytest
