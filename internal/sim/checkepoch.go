// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// epochChecks is what the checker knows of epochs.
type epochChecks struct {
	epochs  []*chain.ProvedHandover // that ended epoch 1, 2, …, as who came first proved it
	meant   int                     // so many of them were compared with the model
	lost    map[int]bool            // keys of validators whose disk is gone
	keysFor map[string]*keys.Verifier
}

// newest are the members of the newest epoch that an honest node knows of.
func (c *checker) newest() *chain.Membership {
	return c.membersOf(simEpoch + chain.Epoch(len(c.epochs)))
}

// endOf is the handover that ended an epoch, nil if nobody knows of one.
func (c *checker) endOf(e chain.Epoch) *chain.ProvedHandover {
	if e < simEpoch || int(e-simEpoch) >= len(c.epochs) {
		return nil
	}
	return c.epochs[e-simEpoch]
}

// membersOf is the membership of an epoch, nil if there is none.
func (c *checker) membersOf(e chain.Epoch) *chain.Membership {
	switch end := c.endOf(e - 1); {
	case e == simEpoch:
		return c.w.members
	case end != nil:
		return &end.Next
	}
	return nil
}

// epochOf is the epoch that a height belongs to.
func (c *checker) epochOf(h chain.Height) chain.Epoch {
	e := simEpoch
	for _, end := range c.epochs {
		if h > end.Height {
			e = end.Next.Epoch
		}
	}
	return e
}

// epochEnds is told of a handover that a node keeps: it must be proved, and the same as everybody's.
func (c *checker) epochEnds(n *replica, p *chain.ProvedHandover) {
	if n.liar != nil {
		return
	}
	e := p.Next.Epoch - 1
	if problem := c.whyGoesOn(e, p); problem != "" {
		c.w.fail(checkMembership, "node %d takes it that epoch %d ended at height %d: %s", n.no, e, p.Height, problem)
		return
	}
	switch known := c.endOf(e); {
	case known == nil:
		c.note(p)
	case codec.HandoverHash(&known.Handover) != codec.HandoverHash(&p.Handover):
		c.w.fail(checkMembership, "for node %d epoch %d ended at height %d with header %s and %d members go on, for another one at height %d with header %s and %d members",
			n.no, e, p.Height, p.Header, len(p.Next.Members), known.Height, known.Header, len(known.Next.Members))
	}
}

// note makes a handover's epoch the newest.
func (c *checker) note(p *chain.ProvedHandover) {
	c.epochs = append(c.epochs, p)
	c.w.meet(&p.Next)
	c.compareEnds()
}

// compareEnds compares where epochs ended with what the model makes of the history.
func (c *checker) compareEnds() {
	for c.meant < len(c.epochs) && c.meant < len(c.model.ends) {
		is, want := c.epochs[c.meant], c.model.ends[c.meant]
		if is.Height != want.height || codec.MembershipHash(&is.Next) != codec.MembershipHash(want.next) {
			c.w.fail(checkMembership, "epoch %d ended at height %d and %d members go on; by the history it ended at height %d, and %d members go on",
				is.Next.Epoch-1, is.Height, len(is.Next.Members), want.height, len(want.next.Members))
		}
		c.meant++
	}
}

// whyGoesOn says why an epoch goes on, though a handover says that it ended.
func (c *checker) whyGoesOn(e chain.Epoch, p *chain.ProvedHandover) string {
	members := c.membersOf(e)
	if members == nil {
		return "nobody knows of that epoch"
	}
	h, err := codec.DecodeHeader(p.HeaderBytes)
	if err != nil || codec.Sum(p.HeaderBytes) != p.Header || h.Height != p.Height {
		return "its last header is another one"
	}
	message, list := keys.HeaderMessage(simChain, p.Header), []chain.Approval(nil)
	switch {
	case p.Verdict != chain.VerdictNone:
		message, list = sealMessage(&p.Handover), p.Seal
	case h.Epoch != e || h.Next != codec.MembershipHash(&p.Next) || h.StateRoot != p.Root || h.RootAt != h.Height:
		return "its last header does not say who goes on, or with which state"
	case p.Certificate != nil:
		for _, s := range p.Certificate.Signatures {
			list = append(list, chain.Approval{Validator: s.Validator, Signature: s.Header})
		}
	}
	if signers := c.signers(members, message, list); signers < members.Quorum() {
		return "fewer than a quorum of its members signed that"
	}
	return ""
}

// signers counts the members who signed a message.
func (c *checker) signers(members *chain.Membership, message []byte, list []chain.Approval) int {
	who := map[chain.ValidatorNo]bool{}
	for _, a := range list {
		if m := members.Find(a.Validator); m != nil && c.verifier(m).Verify(message, a.Signature) {
			who[a.Validator] = true
		}
	}
	return len(who)
}

func (c *checker) verifier(m *chain.Member) *keys.Verifier {
	if c.keysFor == nil {
		c.keysFor = map[string]*keys.Verifier{}
	}
	if v := c.keysFor[string(m.Ed25519)]; v != nil {
		return v
	}
	public, err := keys.ParsePublic(append([]byte{byte(keys.Ed25519)}, m.Ed25519...))
	if err == nil {
		c.keysFor[string(m.Ed25519)], err = keys.NewVerifier(public)
	}
	if err != nil {
		c.w.fail(checkMembership, "validator %d is a member with a key that verifies nothing: %v", m.No, err)
	}
	return c.keysFor[string(m.Ed25519)]
}

// enters is told of a node that starts in the epoch of its state.
func (c *checker) enters(n *replica) {
	if n.liar != nil {
		return
	}
	is := codec.MembershipHash(n.ledger.Membership())
	want := c.membersOf(n.epoch)
	if want == nil || codec.MembershipHash(want) != is {
		c.w.fail(checkMembership, "node %d starts in epoch %d with members that are not those of that epoch", n.no, n.epoch)
		return
	}
	c.owns(n, n.epoch)
}

// signsAsMember checks a vote of a node: it is a member's, and one that joined signs only behind a certified state on its disk.
func (c *checker) signsAsMember(n *replica, v *certify.Vote) {
	members := c.membersOf(v.Epoch)
	if v.Epoch == simEpoch || members == nil {
		return
	}
	m := members.Find(n.no)
	if m == nil || !c.w.keys.verifyVote(members, v) {
		c.w.fail(checkMembership, "node %d signs height %d of epoch %d with keys that no member has", n.no, v.Height, v.Epoch)
		return
	}
	end := c.endOf(m.JoinEpoch - 1)
	if x := n.newest(); end != nil && (x == nil || x.height < end.Height) {
		c.w.fail(checkMembership, "node %d joined in epoch %d and signs height %d, with no state on its disk of height %d, at which that epoch began, or above",
			n.no, m.JoinEpoch, v.Height, end.Height)
	}
}

// lostIn counts the members of an epoch whose disk is gone: they stand down until they have new keys.
func (c *checker) lostIn(e chain.Epoch) (count int) {
	for _, m := range c.membersOf(e).Members {
		if c.lost[keyNumber(m.Ed25519)] {
			count++
		}
	}
	return count
}

// belongs checks that a height that a node shows is of the epoch that the height belongs to.
func (c *checker) belongs(n *replica, x *block) {
	if e := c.epochOf(x.header.Height); x.header.Epoch != e {
		c.w.fail(checkMembership, "node %d shows height %d of epoch %d, which is of epoch %d", n.no, x.header.Height, x.header.Epoch, e)
	}
}

// acceptedEnd checks a state that a node took from a peer, with which an epoch begins.
func (c *checker) acceptedEnd(n *replica, x *checkpoint) {
	_, tree, _, err := restore(c.w, x.sections)
	if end := c.endOf(x.end.Next.Epoch - 1); end == nil || codec.HeaderHash(x.headers[0]) != end.Header || err != nil || tree.Root() != end.Root {
		c.w.fail(checkRoots, "node %d takes a state of height %d that is not the one that the epoch begins with (%v)", n.no, x.height, err)
	}
}

// finalMembership checks, once all is at rest, that all members are in the newest epoch, and knew how each one before ended.
func (c *checker) finalMembership() {
	for _, n := range c.w.honest() {
		if !n.up || n.halted != "" {
			continue
		}
		if e := simEpoch + chain.Epoch(len(c.epochs)); n.epoch != e || n.newestEpoch() != e {
			c.w.fail(checkMembership, "node %d is in epoch %d at the end and knows of epoch %d, others of epoch %d", n.no, n.epoch, n.newestEpoch(), e)
		}
		c.owns(n, n.epoch)
	}
	if c.meant != len(c.epochs) || c.meant != len(c.model.ends) {
		c.w.fail(checkMembership, "%d epochs ended, by the history %d", len(c.epochs), len(c.model.ends))
	}
}
