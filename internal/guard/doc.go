// SPDX-License-Identifier: Apache-2.0

// Package guard stands before a V10 while accounts move to a V11 and back: nobody else reaches V10's REST. It sends what debits an account to
// the ledger that owns its slot, closes slots that are about to move, and says so in fences, by which V11 knows that V10 takes nothing more.
//
//	g, err := guard.New(guard.Config{V10: "http://127.0.0.1:4004", Changes: "http://127.0.0.1:4005", V11: "http://v11:9003", Dir: dir, …})
//	err = g.Run(ctx, rest, control, ready)          // until ctx ends; an error says why it must not go on
//	fence, err := g.Fence(ctx, homeVersion, slots)  // also POST /fence on control; GET /status says where it stands, GET /callers who comes
//
// core.go is the machine: events in, actions out, nothing else. guard.go carries its actions out, one after the other; the proxy (proxy.go,
// single.go, parts.go, stream.go) reads a View, which never changes, and takes its slot's side and the generation from the same one.
//
// Invariants, which are those of docs/move-model.md:
//
//  1. A start takes a generation from V10, then reads the record, then serves. A fence closes in memory, records, takes the next generation
//     and signs, in this order. V10 executes nothing of an older generation.
//  2. Versions of the home table are followed one by one, each verified. It is on disk before anything comes of it, and V10 knows it before a
//     slot opens; so V10's records carry it.
//  3. A closing lasts for the version at which it was made. The next one opens what is still V10's: the ledger takes a fence at its own version
//     only, so that an older one is dead. Nothing else opens a slot.
//  4. What came from V11 opens when V10 has applied, on disk, everything up to the height that gave it.
//  5. A guard that another one has overtaken ends, and so does one that cannot know whose the newest generation is. The barrier of a fence is
//     refused by V10 unless this guard is the newest still, so that it never takes a generation from another.
//  6. Without its record, with one that is older than what V10 was told, or before another life of V10, everything stays closed until the home
//     table moves on.
//  7. Slots that V10 owns need no V11: while it tells nothing, or lies, they are served.
//  8. A request is given to one ledger, once. Only what V10 says that it did not execute, because of this guard's own barrier, is sent again; and
//     what V11 says is V10's, when the guard knows more. What V11 sent here does not go back.
//  9. It does not begin before a V10 that executes what no guard let through.
//  10. Who is debited is found as V10 finds it. Where nobody can be found the request is refused here. An account that is named (Config.Named) has
//     a slot of its own; a guard whose names do not fit the genesis does not begin.
//  11. Callers are known by names that hold no credential (callers.go), at most CallersMax of them. They are counted since the guard began.
//
// Bounds: UnderWayMax requests, HeldMax of them waiting for at most Hold, streamsMax streams, BodiesMax of bodies in memory, ConnectionsMax
// clients, connectionsMax connections to each ledger. Beyond them 503, and each is counted by its reason.
//
// docs/adr/0042-guard.md says why, docs/runbooks/guard.md what to do.
package guard
