// SPDX-License-Identifier: Apache-2.0

// Package node puts a node together: it opens what lies in its folder, recovers the state, joins the parts, runs them, and
// stops them in reverse. It is the only package that knows all the others; it decides nothing.
//
// Recovery (see recoverState): the newest checkpoint whose state root stands in a certified header of the block store; from
// there the ordering log delivers again what was decided, and the payloads come from the lane's segments. What was on the
// lane and not decided is offered to ordering again. The same loop that runs new blocks runs these. Clients are let in when
// all of it is executed.
//
// Among several validators (see peers, several): one TCP transport carries the ordering engine's messages, votes and
// acknowledgements, the batches, and what catches up, each class on connections of its own. Whoever a quorum contradicts halts
// its writer and answers readers (Run); if something else was decided for it, it takes a certified state above all that it
// signed (comeBack). Whoever is behind what the others still hold takes a certified state from one of them
// and opens its folder anew (catchUp, adopt, ErrRestart).
//
// A full disk (see room): the node stops accepting while a reserve is still free, and goes on by itself when there is space.
// After a failed write or flush it ends, and Close leaves the block store as it is.
package node
