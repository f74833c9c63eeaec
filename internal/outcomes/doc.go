// SPDX-License-Identifier: Apache-2.0

// Package outcomes carries how requests ended from a router to whoever judges the sides, through a file: the process that routes must not wait for the one
// that judges, and either may be restarted. The lines are those of nginx's access log, so one reader serves both.
//
//	w, err := outcomes.Create(dir+"/outcomes.log", outcomes.BytesDefault)
//	cfg.Told = w.Tell                        // of the router inside the process
//	err = w.Close()
//
//	r := outcomes.Follow(path, outcomes.End) // or a Position that was kept
//	for o, ok, err := r.Next(); ok; o, ok, err = r.Next() { … }
//	keep(r.Position())
//
// Invariants:
//
//  1. Tell never waits: what the queue has no room for, and what the file did not take, is counted in Dropped. A line told is in the file
//     within 100 ms.
//  2. Next never waits: ok is false when there is nothing more now, and the next call looks again.
//  3. A line is given once, and in order, if the reader goes on from its Position, also when the file was renamed meanwhile: the old one is read to its end
//     first, and looked at again for what a slow writer adds.
//  4. Half a last line is left until its rest is there. A line that is none, or longer than router.OutcomeBytesMax, is counted in Damaged and passed over.
//  5. A file that became shorter is read from its beginning.
//
// Limits: a reader that is away while the file is renamed twice has lost what was in the first one; one that is away while a file is cut short and grows beyond
// its position does not notice.
package outcomes
