// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// postVote signs a second header for the height of a vote: instead of the first one, or besides it.
func (l *liar) postVote(f frame) {
	w := l.n.w
	m, err := certify.ParseFrame(f.body)
	if err != nil || m.Vote == nil || !l.tells(lieHeaders, f.to) {
		w.net.send(f)
		return
	}
	if w.lieRand.IntN(2) == 0 {
		w.net.send(f)
	}
	l.lied(lieHeaders)
	f.body = certify.AppendFrame(nil, certify.Message{Vote: l.otherVote(m.Vote)})
	w.net.send(f)
}

// otherVote is a valid signature for another header of the same height.
func (l *liar) otherVote(v *certify.Vote) *certify.Vote {
	other := *v
	other.Hash[0] ^= 1 + byte(l.n.w.lieRand.IntN(3))
	h := &chain.ExecutedHeader{Chain: simChain, Epoch: v.Epoch, Height: v.Height, RootAt: v.RootAt, StateRoot: v.StateRoot}
	other.Signature = l.n.vote(h, other.Hash).Signature
	return &other
}

// forgeVote sends a vote for the newest header with a signature that is none, for itself or for another validator.
func (l *liar) forgeVote(to int) {
	w := l.n.w
	h := l.n.blocks.head + 1
	x := l.n.results[h]
	if x == nil {
		return
	}
	v := l.n.vote(x.header, x.hash)
	v.Signature[0] ^= 1
	if w.lieRand.IntN(3) == 0 {
		v.Validator = chain.ValidatorNo(w.lieRand.IntN(len(w.nodes)))
	}
	l.lied(lieSignature)
	w.net.send(frame{from: int(l.n.no), to: to, kind: frameCertify, body: certify.AppendFrame(nil, certify.Message{Vote: &v})})
}

// postState gives a peer that asks for a checkpoint one that no quorum certified, in one of several ways.
func (l *liar) postState(f frame) {
	w := l.n.w
	if f.state == nil || !l.tells(lieState, f.to) {
		w.net.send(f)
		return
	}
	l.lied(lieState)
	forged := *f.state
	quorum := l.n.members.Quorum()
	how := w.lieRand.IntN(4)
	if forged.end != nil { // what it begins with has no certificate of its own
		how = 0
	}
	switch how {
	case 0: // the true headers, another state
		forged.sections = robbed(forged.sections)
	case 1: // one signature too few for a quorum
		few := *forged.certificate
		few.Signatures = few.Signatures[:quorum-1]
		forged.certificate = &few
	case 2: // its own signature alone
		l.forgeState(&forged, 1)
	case 3: // its own signature, as often as a quorum needs
		l.forgeState(&forged, quorum)
	}
	f.state = &forged
	w.net.send(f)
}

// robbed is a state in which balances are not what they were.
func robbed(sections []section) []section {
	list := append([]section(nil), sections...)
	for i := range list {
		if list[i].recordBytes == 16 && len(list[i].pages) > 0 && list[i].pages[0] != nil { // balances
			list[i].pages = append([][]byte(nil), list[i].pages...)
			page := append([]byte(nil), list[i].pages[0]...)
			a, b := 16*(int(simFirst)), 16*(int(simFirst)+1)
			page[a], page[b] = page[b], page[a] // what the supply is stays true
			list[i].pages[0] = page
		}
	}
	return list
}

// forgeState makes a state with a root of its own, and signs for it alone.
func (l *liar) forgeState(c *checkpoint, signatures int) {
	c.sections = robbed(c.sections)
	root, err := rootOf(l.n.w, c.sections)
	if err != nil {
		return
	}
	last := *c.headers[len(c.headers)-1]
	last.StateRoot = root
	c.headers = append(append([]*chain.ExecutedHeader(nil), c.headers[:len(c.headers)-1]...), &last)
	hash := codec.HeaderHash(&last)
	v := l.n.vote(&last, hash)
	c.certificate = &chain.Certificate{Epoch: last.Epoch, Height: last.Height, Header: hash}
	for range signatures {
		c.certificate.Signatures = append(c.certificate.Signatures, chain.ValidatorSignature{Validator: l.n.no, Header: v.Signature, Root: v.RootSig})
	}
}

func rootOf(w *world, sections []section) (root chain.Hash, err error) {
	var tree *pages.Tree
	if _, tree, _, err = restore(w, sections); err != nil {
		return root, err
	}
	return tree.Root(), nil
}
