// SPDX-License-Identifier: Apache-2.0

// Package sim runs whole networks of validators in one goroutine under virtual time, from a seed, with faults and liars,
// and checks after each step what the network promises. docs/reliability.md lists promises, faults and checkers.
//
//	var r sim.Runner
//	result := r.Run(sim.Options{Seed: 4711})
//	if result.Failure != nil {
//		small := r.Shrink(sim.Options{Seed: 4711})
//		fmt.Println(small.Options.Command("aurigraph")) // repeats it
//	}
//
// Why: what must hold on every schedule of messages, crashes and lies is out of reach of tests with real processes, which
// see few schedules and cannot repeat them.
//
// A replica has the cores of a node (order/raft, spread, certify, and exec over ledger and pages) and a host around them:
// three logs, a block store and two checkpoints on a simulated disk, a clock, a transport. The host is not the product's,
// which is loops and goroutines: it is what the cores' package comments ask of a host, in the shortest form. So a run
// proves the cores, their formats and that contract; the product's own loops are tested where they live and in e2e.
//
// What is real: the cores, all frames and records byte by byte, hashes, execution, state roots. What is not: signatures
// (macs: a hash over a secret that its owner alone uses, at a signature's length; what an epoch's end is proved by has real ones) and
// disks (records with checksums, of which a crash leaves any number of the first ones that no sync covered, and perhaps a torn
// one).
//
// A seed gives a network (4 or 7 validators, at most f liars, sizes and bounds) and a plan: a list of episodes, each a
// fault or a lie that lasts for a while. Then all faults end, and the network must go on, answer every client and come to
// rest. Liars are replicas as well: their cores work as anybody's, and what leaves them is changed, withheld or made up.
// In some runs a person then seals the epoch (package seal), whether the network works, is damaged or was misled, and it must go
// on in the next one. The coordinator is the simulation's own, step by step; rules, sealers and their records are the product's.
//
// In others governance changes the membership while the faults last (office): the transaction goes the way of all payments, and
// the block that executes it ends the epoch. Who is to join exists from the beginning, and is not started before. Nodes stand in
// a table by their number; who a number belongs to says the key that the person behind it has.
//
// Checkers see what no node can: all disks, every entry that was ever made, what each node said in all its lives, and a
// second ledger (model) that executes the certified history. SeededBugs are mistakes in the honest hosts by which the
// checkers are checked.
//
// Randomness: each purpose has a source of its own, so that leaving an episode out changes as little else as can be. The
// ordering library draws its election jitter from crypto/rand.Reader, a variable of the process: a Runner replaces it for
// the time of a run, so a process makes one run at a time, and a Campaign gives its workers processes. A reader that gave
// each network its own bytes would need to know on whose behalf it is read, which the library does not say.
//
// Bounds: changesMax changes of the membership in a run, shrinkRunsMax runs of a shrinker, bugSeedsMax seeds for a bug,
// livenessTimeouts for a network to go on.
package sim
