// SPDX-License-Identifier: Apache-2.0

// Package cometbft measures CometBFT: four validators on loopback, each a process with its own folder, with the example
// application kvstore inside it.
//
// A transfer is one kvstore transaction: a key and a 64-byte record. Nobody checks a balance or a signature here, which is
// generous. A transaction is final when it stands in a block that two thirds of the validators precommitted. CometBFT
// flushes its own votes and proposals, the end of each height and the block store; kvstore's state is made again from
// the blocks.
//
// In the opaque variant a transaction carries 1,024 records that nobody looks at (application noop): what ordering alone
// would bear if all execution were free.
//
// How much was committed is read from the counts in the headers of blocks, which costs the validators next to nothing;
// reading whole blocks through JSON would. Latencies pair the n-th transaction committed with the n-th accepted.
package cometbft
