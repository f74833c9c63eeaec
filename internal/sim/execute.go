// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"slices"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// executeNext executes the next decided height, once all its payloads are durable here and not too many heights wait for
// their certificate.
func (n *replica) executeNext() bool {
	for len(n.decided) > 0 && n.decided[0].Height <= n.machine.Height() {
		p := n.decided[0]
		n.decided = n.decided[1:]
		n.stepOrder(raft.Delivered{Height: p.Height})
	}
	if n.machine.Ended() { // what was decided above is void
		return false
	}
	ahead := n.target == nil && n.machine.Height() >= n.blocks.head+chain.Height(n.w.depthMax)
	if ahead && len(n.decided) > 0 {
		n.w.see(seenDeep, 1)
	}
	if len(n.decided) == 0 || !n.up || n.halted != "" || ahead && n.bug() != bugDepthUnbounded {
		return false
	}
	p := n.decided[0]
	payloads, ok := n.gather(p)
	if !ok {
		n.waitFor(p.Height)
		return false
	}
	n.decided = n.decided[1:]
	done := n.execute(p, payloads)
	n.arrive()
	return done
}

// waitFor notes that a height waits for its payloads. After a while its peers are taken to have let go of them, and the
// state is fetched instead: ordering does not see that, for its log is whole.
func (n *replica) waitFor(h chain.Height) {
	if n.waiting != h {
		n.waiting, n.waitingSince = h, n.w.now
	}
	late := n.w.now-n.waitingSince >= giveUpMicros
	if n.target != nil {
		if late {
			n.cannotReach("the payload of an entry of height %d is not here, and nobody gives it", h)
		}
		return
	}
	if late && n.fetch == nil && !n.writing && n.bug() != bugWaitsForever {
		n.w.see(seenGivenUp, 1)
		n.w.check.gaveUp(n)
		n.fetchState(h, false)
	}
}

// gather finds the payloads of a height, and asks for those that are not here.
func (n *replica) gather(p *chain.Proposal) ([]exec.Payload, bool) {
	payloads, ready := make([]exec.Payload, len(p.Entries)), true
	var missing []spread.Input
	for i, d := range p.Entries {
		st := n.stored[d]
		switch at := n.executed[d]; {
		case st != nil && (st.durable || n.bug() == bugUndurableExecuted):
			payloads[i] = exec.Payload{Entry: st.entry, Digest: d, Bytes: st.payload}
		case st == nil && at != 0 && at < p.Height:
			payloads[i] = exec.Payload{Digest: d, Executed: true}
		default:
			ready = false
			if st == nil && n.w.now >= n.asked[d] {
				n.asked[d] = n.w.now + askAgainMicros
				missing = append(missing, spread.Missing{Digest: d})
			}
		}
	}
	if len(missing) > 0 {
		n.w.see(seenMissing, len(missing))
		n.stepSpread(missing...)
	}
	return payloads, ready && n.up
}

func (n *replica) execute(p *chain.Proposal, payloads []exec.Payload) bool {
	p = n.bent(p, payloads)
	lanes := n.lanesNow()
	ex, err := n.machine.Run(p, payloads)
	if err != nil {
		n.halt("executing height %d: %v", p.Height, err)
		return false
	}
	if ex.Ends {
		n.endsEpoch(ex, lanes, payloads)
	}
	x := &block{proposal: p, header: ex.Header, bytes: ex.HeaderBytes, hash: ex.Hash, outcomes: map[chain.Hash]chain.Hash{}}
	for i := range ex.Batches {
		if ex.Batches[i].Indexed {
			x.outcomes[ex.Header.Batches[i].Batch] = ex.Header.Batches[i].Outcomes
		}
	}
	n.noteExecuted(x.header)
	n.w.check.executedBy(n, x, payloads)
	n.quiet, n.rootShown = n.w.now, max(n.rootShown, x.header.RootAt)
	if len(p.Entries) > 0 {
		n.lastWork = p.Height
	}
	if ex.RootDue {
		n.hash(p.Height)
	}
	n.w.see(seenPassedOver, ex.PassedOver)
	if h := p.Height; h <= n.blocks.head {
		n.w.see(seenExecutedAgain, 1)
	}
	n.stepOrder(raft.Delivered{Height: p.Height})
	if len(p.Entries) == 0 && n.restless() {
		n.stepOrder(raft.Nudged{})
	}
	n.tellLanes(ex, payloads)
	n.signOrCompare(x)
	return n.up && n.halted == ""
}

// hash hashes the state after a height, and keeps it until the root is certified.
func (n *replica) hash(h chain.Height) {
	sn := n.space.Snapshot()
	root := n.tree.Update(sn)
	root[0] ^= n.damage
	n.machine.SetRoot(h, root)
	n.states[h] = sn
	for at, old := range n.states { // each on its own: the order does not matter
		if at+2*chain.RootDelay < h {
			old.Release()
			delete(n.states, at)
		}
	}
}

// tellLanes says what was executed.
func (n *replica) tellLanes(ex *exec.Executed, payloads []exec.Payload) {
	var inputs []spread.Input
	for i := range ex.Batches {
		e := &payloads[ex.Batches[i].Place]
		inputs = append(inputs, spread.Executed{Lane: e.Entry.Validator, Sequence: e.Entry.Sequence, Digest: e.Digest})
	}
	if len(inputs) > 0 {
		n.stepSpread(inputs...)
	}
}

// signOrCompare signs a new height. One that was published before, in an earlier life, must come out equal.
func (n *replica) signOrCompare(x *block) {
	h := x.header.Height
	if h > n.blocks.head {
		n.results[h] = x
		n.sign(x)
		return
	}
	switch before := n.blocks.list[h]; {
	case before == nil || bytes.Equal(before.bytes, x.bytes):
	case n.target != nil:
		n.cannotReach("height %d comes out as %s, and was published as %s", h, x.hash, before.hash)
		return
	default:
		n.halt("height %d comes out as %s, and was published as %s", h, x.hash, before.hash)
	}
	if n.ends(h) && n.target == nil {
		n.leaveEpoch(n.endOf(n.epoch))
	}
}

func (n *replica) sign(x *block) {
	if !n.up || n.refuses(x) {
		return
	}
	vote := n.vote(x.header, x.hash)
	if n.bug() == bugHeaderLocal && n.life > 1 {
		vote.Hash[0] ^= byte(n.life)
		vote.Signature = n.vote(x.header, vote.Hash).Signature
	}
	switch own := n.certify.Own(x.header.Height); {
	case own == nil:
	case own.Hash == x.hash:
		vote = *own
	default: // what it signed in an earlier life was undone: a lying leader had called it decided
		n.wrongAt = x.header.Height
	}
	n.stepCertify(certify.Executed{Vote: vote})
}

// vote is what the node signs, with the keys that it has.
func (n *replica) vote(h *chain.ExecutedHeader, hash chain.Hash) certify.Vote {
	return n.w.keys.vote(n.no, validatorKeys()[n.key].ed25519, h, hash)
}

// noteExecuted remembers where lane entries were executed.
func (n *replica) noteExecuted(h *chain.ExecutedHeader) {
	for i := range h.Batches {
		n.executed[h.Batches[i].Entry] = h.Height
	}
}

// noteHistory remembers it of all headers that are kept.
func (n *replica) noteHistory() {
	for _, h := range n.blocks.headers { // each on its own
		n.noteExecuted(h)
	}
}

// bent changes what is executed, where a seeded bug does.
func (n *replica) bent(p *chain.Proposal, payloads []exec.Payload) *chain.Proposal {
	switch bug := n.bug(); {
	case bug == bugSkipRuleMissing:
		n.forceIntoLanes(payloads)
	case bug == bugLocalTime:
		q := *p
		q.TimeUs = uint64(n.clock.micros(n.w.now))
		return &q
	case bug == bugReplayReordered && p.Height <= n.blocks.head && len(p.Entries) > 1:
		q := *p
		q.Entries = slices.Clone(p.Entries)
		slices.Reverse(q.Entries)
		slices.Reverse(payloads)
		return &q
	}
	return p
}

// forceIntoLanes makes entries follow in their lanes that do not.
func (n *replica) forceIntoLanes(payloads []exec.Payload) {
	for i := range payloads {
		e := &payloads[i].Entry
		epoch, sequence, last := n.ledger.Lane(e.Validator)
		if e.JoinEpoch == epoch && e.Sequence <= sequence {
			e.Sequence, e.Parent = sequence+1, last
		}
	}
}
