// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// slot is what is known of one height.
type slot struct {
	own         *Vote
	durable     bool    // own's record is on disk
	votes       []*Vote // first one of each validator, own included
	lied        uint64  // validators who signed two headers, a bit each
	certificate *chain.Certificate
	certified   bool   // and told
	stuck       bool   // and told
	sent        uint64 // tick at which own was sent last, or executed
	claims      []claim
}

// claim is a peer's word that a quorum signed another header than own's; one of each peer.
type claim struct {
	from chain.ValidatorNo
	hash chain.Hash
}

// admit is Core.Admit for a height inside the window; s may be nil.
func (s *slot) admit(v *Vote) string {
	if s == nil {
		return ""
	}
	if s.own != nil && s.own.Hash == v.Hash && !s.own.sameRoot(v) {
		return "wrong_root"
	}
	first := s.votes[v.Validator]
	switch {
	case first == nil:
		return ""
	case first.Hash == v.Hash:
		return "known"
	case s.lied&(1<<v.Validator) != 0:
		return "proved"
	}
	return ""
}

// dropOtherRoots drops votes for own's header that signed another state root than the header carries: they are in no
// certificate, and a right one may still come.
func (s *slot) dropOtherRoots() (dropped []chain.ValidatorNo) {
	for i, v := range s.votes {
		if v != nil && v.Hash == s.own.Hash && !v.sameRoot(s.own) {
			s.votes[i] = nil
			dropped = append(dropped, chain.ValidatorNo(i))
		}
	}
	return dropped
}

// tally counts the votes of each header, in order of the first validator who signed it.
func (s *slot) tally() (list []count) {
	for i, v := range s.votes {
		if v == nil {
			continue
		}
		at := slices.IndexFunc(list, func(c count) bool { return c.hash == v.Hash })
		if at < 0 {
			at = len(list)
			list = append(list, count{hash: v.Hash})
		}
		list[at].votes++
		if s.lied&(1<<i) != 0 {
			list[at].liars++
		}
	}
	return list
}

type count struct {
	hash         chain.Hash
	votes, liars int // liars are among votes
}

// gather makes the certificate of a header from the votes at hand.
func (s *slot) gather(hash chain.Hash) *chain.Certificate {
	x := &chain.Certificate{Header: hash}
	for _, v := range s.votes {
		if v != nil && v.Hash == hash {
			x.Epoch, x.Height = v.Epoch, v.Height
			x.Signatures = append(x.Signatures, v.signature())
		}
	}
	return x
}

// settle draws the conclusions after a change of a height.
func (c *Core) settle(h chain.Height, s *slot, out *Output) {
	if s.certified {
		return
	}
	best, voted := 0, 0 // both without liars, who may sign anything yet
	for _, n := range s.tally() {
		if n.votes >= c.quorum && s.own != nil {
			if n.hash != s.own.Hash {
				c.diverge(s, s.gather(n.hash), out)
				return
			}
			if s.certificate == nil {
				s.certificate = s.gather(n.hash)
			}
		}
		best, voted = max(best, n.votes-n.liars), voted+n.votes-n.liars
	}
	if s.durable && s.certificate != nil {
		s.certified = true
		c.close(h)
		out.Certified = append(out.Certified, s.certificate)
		return
	}
	// A certificate in hand is a quorum, whatever became of the votes.
	if free := len(c.members) - voted; best+free < c.quorum && !s.stuck && s.certificate == nil {
		s.stuck = true
		out.Stuck = append(out.Stuck, h)
	}
}

// diverge halts the node: a quorum says that its header is wrong.
func (c *Core) diverge(s *slot, other *chain.Certificate, out *Output) {
	x := *other
	x.Signatures = slices.Clone(x.Signatures)
	for i := range x.Signatures {
		x.Signatures[i].Root = nil
	}
	out.Diverged = &Diverged{Own: *s.own, Other: &x}
	c.halt("%d validators signed header %s for height %d, this node computes %s: its state or its software differs; aurigraph status says where, docs/runbooks/diverged-validator.md what to do", len(x.Signatures), x.Header, s.own.Height, s.own.Hash)
}

// claim takes note that a peer showed a valid certificate of another header than own's, and counts the peers who showed
// one of the same header. Its signatures do not say its height, so one peer could show that of another height.
func (s *slot) claim(from chain.ValidatorNo, hash chain.Hash) (peers int) {
	s.claims = append(s.claims, claim{from, hash})
	for _, x := range s.claims {
		if x.hash == hash {
			peers++
		}
	}
	return peers
}

// claimed reports whether a peer showed a certificate of another header before.
func (s *slot) claimed(from chain.ValidatorNo) bool {
	return slices.ContainsFunc(s.claims, func(x claim) bool { return x.from == from })
}
