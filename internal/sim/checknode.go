// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/binary"
	"fmt"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// sent checks what leaves an honest node.
func (c *checker) sent(n *replica, f *frame) {
	switch f.kind {
	case frameCertify:
		if m, err := certify.ParseFrame(f.body); err == nil && m.Vote != nil {
			c.votes(n, m.Vote)
		}
	case frameOrder:
		if m, err := raft.ParseFrame(f.body); err == nil && m.Raft != nil && m.Raft.Type.String() == "MsgVoteResp" && !m.Raft.Reject {
			c.elects(n, m.Raft.Term, f.to)
		}
	case frameAck:
		if positions, err := spread.DecodePositions(f.body); err == nil {
			for i := range positions {
				c.acknowledges(n, &positions[i])
			}
		}
	}
}

// elects checks that a node helps one peer to lead a term, in all its lives, and has that on its disk.
func (c *checker) elects(n *replica, term uint64, peer int) {
	key := ballot{int(n.no), n.epoch, term}
	if before, ok := c.ballots[key]; ok && before != peer {
		c.w.fail(checkOrder, "node %d elects nodes %d and %d in term %d", n.no, before, peer, term)
	}
	c.ballots[key] = peer
	for i := n.orders.durable - 1; i >= 0; i-- {
		meta := n.orders.records[i].meta // it begins with term and vote, as its FORMAT.md says
		if binary.LittleEndian.Uint64(meta) == term && binary.LittleEndian.Uint64(meta[8:]) == uint64(peer)+1 {
			return
		}
	}
	c.w.fail(checkOrder, "node %d elects node %d in term %d, which is not on its disk", n.no, peer, term)
}

// votes checks a vote that leaves a node: on disk, with all that it vouches for.
func (c *checker) votes(n *replica, v *certify.Vote) {
	if v.Validator != n.no {
		return
	}
	c.says(int(n.no), heightKey{v.Epoch, v.Height}, v.Hash)
	c.signsAsMember(n, v)
	durable := false
	for i := n.votes.durable - 1; i >= 0 && !durable; i-- {
		durable = voteHeight(&n.votes.records[i]) == v.Height
	}
	if !durable && v.Height > n.blocks.head {
		c.w.fail(checkVote, "node %d sends its vote of height %d, which is not on its disk", n.no, v.Height)
	}
}

// says notes what an honest node signed, in all its lives.
func (c *checker) says(node int, at heightKey, hash chain.Hash) {
	before, ok := c.said[node][at]
	if ok && before != hash {
		c.w.fail(checkVote, "node %d signed two headers of height %d in epoch %d: %s and %s", node, at.height, at.epoch, before, hash)
	}
	if top, revealed := c.revealed[node]; revealed && at.epoch == c.sealing.epoch.Epoch() && at.height > top {
		c.w.fail(checkSeal, "node %d signs height %d after it revealed that it signed up to height %d", node, at.height, top)
	}
	if c.said[node][at] = hash; !ok {
		c.voidStaysVoid(at)
	}
}

// acknowledges checks an acknowledgement that leaves a node. It is cumulative: it speaks for all entries before as well.
func (c *checker) acknowledges(n *replica, at *spread.Position) {
	if at.Sequence == 0 {
		return
	}
	if at.Sequence > n.laneExecuted(at.Lane) && !n.holds(at.Digest) {
		c.w.fail(checkAck, "node %d acknowledges entry %d of lane %d, which is not on its disk", n.no, at.Sequence, at.Lane)
	}
	for s, d := at.Sequence, at.Digest; s > 0; s-- {
		key := laneKey{n.key, laneID{at.Lane, at.Epoch}, s}
		before, ok := c.acks[key]
		if before == d {
			return
		}
		if ok && !c.mayReplace(n, d) {
			c.w.fail(checkAck, "node %d acknowledges two entries %d of lane %d: %s and %s", n.no, s, at.Lane, before, d)
		}
		c.acks[key] = d
		d = c.w.truths[d].entry.Parent
	}
}

// mayReplace reports whether a node may leave one entry of a fork for another: that one is decided, or available without it.
func (c *checker) mayReplace(n *replica, d chain.Hash) bool {
	need, holders := c.holders(n.epoch, d, n)
	return c.replaced[d] || holders >= need
}

// executedBy checks a height that a node executed.
func (c *checker) executedBy(n *replica, x *block, payloads []exec.Payload) {
	if n.liar != nil || !n.up {
		return
	}
	h := x.header.Height
	if depth := int(h) - int(n.blocks.head); depth > c.w.depthMax && n.target == nil {
		c.w.fail(checkBounds, "node %d executed %d heights above the published one, at most %d", n.no, depth, c.w.depthMax)
	}
	for i := range payloads {
		if d := payloads[i].Digest; !payloads[i].Executed && !n.holds(d) {
			c.w.fail(checkVote, "node %d executes and signs height %d with a payload that is not on its disk", n.no, h)
		}
	}
	if certified := c.certified[h]; certified != nil && certified.hash == x.hash {
		c.counts(n, h)
	}
}

// counts compares a node's balances after a height with the model's.
func (c *checker) counts(n *replica, h chain.Height) {
	if int(h) >= len(c.model.after) {
		return
	}
	for i, row := range c.model.after[h] {
		for j, want := range row {
			account, asset := simFirst+chain.AccountNo(i), chain.AssetNo(j+1)
			if got := n.ledger.Balance(account, asset); got != chain.Units(want) {
				c.w.fail(checkConservation, "node %d, height %d: account %d holds %v of asset %d, the model %d", n.no, h, account, got, asset, want)
			}
		}
	}
}

// checkpointed recounts all money when a checkpoint is made.
func (c *checker) checkpointed(n *replica, x *checkpoint) {
	if n.liar != nil || n.halted != "" {
		return
	}
	if err := n.ledger.Recount(); err != nil {
		c.w.fail(checkConservation, "node %d at height %d: %v", n.no, n.ledger.Height(), err)
	}
	if hash := c.hashAt(x.height); hash != (chain.Hash{}) && hash != codec.HeaderHash(x.headers[0]) {
		c.w.fail(checkRoots, "node %d has a checkpoint of height %d on header %s, certified is %s", n.no, x.height, codec.HeaderHash(x.headers[0]), hash)
	}
}

// accepted checks a state that a node took from a peer.
func (c *checker) accepted(n *replica, x *checkpoint) {
	if n.liar != nil {
		return
	}
	c.w.see(seenStateFetched, 1)
	if x.end != nil {
		c.acceptedEnd(n, x)
		return
	}
	last := x.headers[len(x.headers)-1]
	if problem := c.whyUncertified(x.certificate, last, codec.HeaderHash(last)); problem != "" {
		c.w.fail(checkCertificate, "node %d takes a state of height %d: %s", n.no, x.height, problem)
		return
	}
	_, tree, _, err := restore(c.w, x.sections)
	if err != nil || tree.Root() != last.StateRoot {
		c.w.fail(checkRoots, "node %d takes a state of height %d whose root is not the certified one (%v)", n.no, x.height, err)
	}
}

// leapt checks that a node which goes on from a peer's state knows what was executed before: an entry may be ordered again
// when nobody has its payload any more.
func (c *checker) leapt(n *replica, h chain.Height) {
	if n.liar != nil || !n.up {
		return
	}
	for below := h; below > 0 && h-below < historyMax; below-- {
		x := c.certified[below]
		for i := 0; x != nil && i < len(x.header.Batches); i++ {
			if d := x.header.Batches[i].Entry; n.executed[d] == 0 {
				c.w.fail(checkRetention, "node %d goes on from height %d and does not know that entry %s was executed in height %d", n.no, h, d, below)
			}
		}
	}
}

// letGo checks that a node could restart from its own disk: what it lets go of lies below its newest checkpoint.
func (c *checker) letGo(n *replica) {
	if n.liar != nil || !n.up {
		return
	}
	from := chain.Height(0)
	if x := n.newest(); x != nil {
		from = x.height
	}
	for h := from + 1; h <= n.blocks.head; h++ {
		x := n.blocks.list[h]
		if x == nil {
			continue
		}
		for _, line := range x.header.Batches {
			if !n.holds(line.Entry) {
				c.w.fail(checkRetention, "node %d let go of a payload of height %d, its checkpoint is of height %d", n.no, h, from)
			}
		}
	}
}

// halts decides whether an honest node may stop. It returns why it did.
func (c *checker) halts(n *replica, format string, args ...any) string {
	why := fmt.Sprintf(format, args...)
	if n.liar == nil && (!c.misledIn(n) && !n.damaged || n.wrongAt == 0) {
		c.w.fail(checkHalt, "node %d: %s", n.no, why)
	}
	return why
}

// doesNotStart is told of a node that its own disk keeps from starting.
func (c *checker) doesNotStart(n *replica, err error) {
	if n.liar == nil {
		c.w.fail(checkStart, "node %d: %v", n.no, err)
	}
}

// returned is told of a node that a lying leader had deceived, or that was away when its epoch ended, and that goes on from a
// certified state.
func (c *checker) returned(n *replica) {
	switch {
	case n.liar != nil:
	case n.lags:
		c.w.see(seenCaughtUp, 1)
	default:
		c.w.see(seenReturned, 1)
	}
}

// gaveUp is told of a node that waited long for payloads. Once all is well, whoever is there and holds one gives it.
func (c *checker) gaveUp(n *replica) {
	if n.liar != nil || c.misledIn(n) || n.waitingSince < c.w.stormUs {
		return
	}
	for _, d := range n.decided[0].Entries {
		if n.stored[d] != nil || n.executed[d] != 0 {
			continue
		}
		for _, peer := range c.w.honest() {
			if peer.up && peer.stored[d] != nil {
				c.w.fail(checkLiveness, "node %d waits for entry %s of height %d in vain, which node %d holds", n.no, d, n.waiting, peer.no)
			}
		}
	}
}
