// SPDX-License-Identifier: Apache-2.0

// Package admin is a node's door for the person who runs its machine: a Unix socket in the node's folder, over which a
// coordinator asks the validator to end the membership epoch (package seal), a person looks at its half of a sync and turns its
// knobs (package sync/control), and a migration that rehearses an alarm has one raised. V10's half of a sync has such a socket too.
//
//	l, err := admin.Listen(folder)
//	err = admin.Serve(ctx, l, admin.Doors{Seal: sealer, Sync: half}, logger)          // in the node
//
//	v := admin.Dial(admin.SocketPath(folder))          // a seal.Validator
//	s, err := v.SyncStatus(ctx)
//
// Why a socket in the file system and no port: whoever may open it could read the node's keys as well, so it needs no
// authority of its own. A network of several operators forwards sockets, by ssh for example.
//
// Invariants:
//
//  1. Only the owner of the folder may connect: the socket has mode 0600 from the moment it exists.
//  2. A socket that a killed process left behind is replaced; one at which somebody listens is not (Conflict).
//  3. Bodies, headers, time and open connections are bounded. What passes a bound is cut off or refused.
//  4. A path of any length works: the address of a socket has room for about 100 bytes, so the folder is opened first and the
//     socket named by its descriptor.
//  5. The node may restart while it is asked: an answer that does not come is Unavailable, and is asked for again.
//
// FORMAT.md of package seal has its requests; those of the sync are JSON (sync.go).
package admin
