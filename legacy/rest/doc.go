// SPDX-License-Identifier: Apache-2.0

// Package rest is the V10 dialect over the reference ledger. It serves every row of the table in package v10 that is marked
// served, with handlers of its own: only the words (wire types, table, errors) are shared with V11's edge, so that one can be
// compared with the other.
//
// A handler turns one call into a value or an error; everything that V10's clients see around it (headers as Express sets them,
// HEAD, OPTIONS, ETag, error bodies by family, 404 for what does not exist) is in server.go, once.
//
// Invariants:
//
//  1. 200 for a write is sent after its round is synced, never before.
//  2. An answer holds what the ledger holds, or a typed zero where V10 had an engine that this ledger has not; never an invented
//     number.
//  3. Bodies, headers, lines, connections, streams and samples have bounds; at each the client gets V10's error or waits for a
//     connection.
//  4. A drain lets requests under way end; new ones on old connections are told to come back elsewhere.
//
// There is no access control, as V10 had none: who reaches the port may pay. Keep it behind the network's own walls.
package rest
