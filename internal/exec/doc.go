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
//     at d stands in header d+chain.RootDelay; Run refuses to make that header before SetRoot(d) was called. The last header
//     of an epoch that a change ends carries its own height's root instead, and roots that stand in no header by then never
//     will: whoever joins begins from there.
//  3. Entries of a lane execute in the lane's order, each once. An entry that does not follow is passed over and gives no
//     line in the header, and whether it follows is a function of the history: ordering may decide an entry twice.
//  4. A machine executes one epoch. What was decided above the block that ends it is void; a new machine over the same ledger
//     begins the next epoch from that block. Entries of a validator that left, or under the keys it had before, follow no lane.
//  5. Debits equal credits in every block; the ledger asserts it.
package exec
