// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seal"
)

// sealing is a life's part in epochs and seals.
type sealing struct {
	epoch    chain.Epoch // of the state
	members  *chain.Membership
	sealer   *seal.Sealer // nil where nobody seals
	refused  bool         // to sign headers of the epoch
	target   *target      // nil: the node orders
	reached  *reached
	damage   byte  // by which the roots that it computes are wrong
	lags     bool  // the epoch ended by a change while the node was away: it takes a peer's state
	ahead    int   // a peer that is in a later epoch; -1: none
	endAsked int64 // when one was asked how this one ended, or was first heard of
}

// timeless is the context of calls that do not wait: virtual time passes between them.
var timeless = context.Background() //lint:context nothing of a run ends before its time

// sealHost is a node behind its sealer.
type sealHost struct{ n *replica }

var _ seal.Host = sealHost{}

// openSealer reads what the node said of its epoch's end in earlier lives.
func (n *replica) openSealer() (err error) {
	if n.w.drill == nil || n.liar != nil {
		return nil
	}
	base := n.epochBase()
	n.sealer, err = seal.Open(n.records, seal.RecordName, seal.Config{
		Epoch: &seal.Epoch{Set: n.setOf(n.epoch), Base: base.Point}, Self: n.no, Key: validatorKeys()[n.key].header, Host: sealHost{n},
	})
	if err == nil && n.bug() != bugRefusalForgotten {
		n.refused = n.sealer.Refused()
	}
	return err
}

// refuses reports whether the node does not sign a header, because its epoch is to end. What it signed in an earlier life it
// shows again: else it got no certificates for the heights that its store lost, and could not reveal them.
func (n *replica) refuses(x *block) bool {
	if own := n.certify.Own(x.header.Height); n.target == nil && own != nil && own.Hash == x.hash {
		return false
	}
	return n.target != nil || n.refused && n.bug() != bugVoteAfterRefusal
}

// Refuse implements seal.Host. It flushes the store: a node that lost published heights after it refused gets their certificates
// no more, and signed more above those it has left than a reveal may show.
func (s sealHost) Refuse(context.Context) error {
	s.n.refused = true
	if s.n.bug() != bugRefusalUnflushed {
		s.n.blocks.flushed = s.n.blocks.head
	}
	return nil
}

// Reveal implements seal.Host.
func (s sealHost) Reveal(context.Context) (*seal.Known, error) {
	n := s.n
	known := &seal.Known{}
	from := n.epochBase().Height
	if c, h := n.newestCertificate(); c != nil && c.Epoch == n.epoch {
		known.Certificate, known.Header = n.w.proofs.certificate(n.members, c, nil), codec.AppendHeader(nil, h)
		from = h.Height
	}
	if n.bug() == bugVotesHidden {
		return known, nil
	}
	for h := from + 1; ; h++ {
		v := n.certify.Own(h)
		if v == nil {
			return known, nil
		}
		known.Votes = append(known.Votes, seal.Vote{Point: seal.Point{Height: h, Header: v.Hash}, Signature: n.w.proofs.signedHeader(n.members.Find(n.no), v.Hash, v.Signature)})
	}
}

// newestCertificate is the newest one on disk, with its header: of a published height, or of a state that a peer gave.
func (n *replica) newestCertificate() (c *chain.Certificate, h *chain.ExecutedHeader) {
	if x := n.blocks.list[n.blocks.head]; x != nil && n.bug() != bugRevealStale {
		c, h = x.certificate, x.header
	}
	for _, s := range n.slots {
		if s == nil || s.unfinished || s.certificate == nil {
			continue
		}
		if last := s.headers[len(s.headers)-1]; c == nil || last.Height > h.Height {
			c, h = s.certificate, last
		}
	}
	return c, h
}

// Prepare implements seal.Host.
func (s sealHost) Prepare(_ context.Context, choice *seal.Choice, next *chain.Membership, v chain.Verdict) (*seal.Prepared, error) {
	n := s.n
	t := &target{epoch: n.epoch, last: choice.Point, through: choice.Through, next: next, verdict: v}
	switch {
	case n.target == nil || !n.target.same(t):
		if !n.losesPower() {
			n.plan = t
			n.restart()
		}
		return nil, fault.Reasoned(fault.TryLater, "restart", "the node opens its folder anew")
	case n.reached == nil:
		return nil, fault.Reasoned(fault.TryLater, "busy", "the node executes up to height %d", choice.Height)
	}
	return &n.reached.Prepared, n.reached.err
}

// Finish implements seal.Host.
func (s sealHost) Finish(_ context.Context, p *chain.ProvedHandover) error {
	s.n.takeSeal(p)
	return nil
}
