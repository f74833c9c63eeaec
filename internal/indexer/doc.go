// SPDX-License-Identifier: Apache-2.0

// Package indexer runs the query index of a node or a gateway: it opens the engine that the settings name (index/sqlite,
// index/postgres), feeds it by a follower, and lists from it.
//
//	x, err := indexer.New(indexer.Options{Settings: cfg.Index, Folder: cfg.Data("index"), Source: history, Head: height, …})
//	x.Publish(header)      // by who certifies, or proves, blocks
//	go x.Run(ctx)
//	x.Transfers(…)         // index.Reader
//
// Invariants:
//
//  1. Nobody waits for the index. A file is opened by New; a database by Run, which tries until it is reached. Meanwhile lists are
//     Unavailable (ReasonAway) and Publish only notes the height.
//     While another process writes to the database, lists come from what that one writes.
//  2. Where another process has taken a database over, Run begins anew behind what that one has written.
//  3. What cannot pass by itself (another chain, damaged tables) ends Run. Lists go on.
package indexer
