// SPDX-License-Identifier: Apache-2.0

// Package exec runs a decided block: it takes the proposal and the payloads it names, executes them in order on the
// ledger, and gives the executed header with the outcomes behind it. Pure: the same inputs give the same bytes on every
// replica, on every run.
//
// Invariants:
//
//  1. A block executes whole or not at all: an error means that ordering or storage gave what cannot be (a payload whose
//     framing does not parse), and the writer halts. A validator stores, and so acknowledges, only payloads
//     whose framing it has checked. What lies inside the framing cannot stop a block: it has an outcome.
//  2. A state root is due when headers alone say so (Due), never by a local clock or by who hashed faster. The root due
//     at d stands in header d+chain.RootDelay; Run refuses to make that header before SetRoot(d) was called.
//  3. Entries of a lane execute in the lane's order, each once. An entry that does not follow is passed over and gives no
//     line in the header, and whether it follows is a function of the history: ordering may decide an entry twice.
//  4. Debits equal credits in every block; the ledger asserts it.
package exec
