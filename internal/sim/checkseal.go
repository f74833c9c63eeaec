// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/seal"
)

// sealChecks is what the checker knows of the seal of an epoch.
type sealChecks struct {
	sealing  *coordinator              // nil: nobody seals
	ended    *chain.ProvedHandover     // the seal
	signed   map[int]chain.Hash        // the handover that each node signed, in all its lives
	revealed map[int]chain.Height      // up to where each node signed in the epoch, as it said when it refused to go on
	roots    map[seal.Point]chain.Hash // of states that were brought to an epoch's end
}

// misledIn reports whether a lying leader may have deceived a node: in the epoch before the seal. Then the liars are left out.
func (c *checker) misledIn(n *replica) bool {
	return c.misled && (c.ended == nil || n.epoch < c.ended.Next.Epoch)
}

// liarsIn counts the liars among the members of an epoch.
func (c *checker) liarsIn(e chain.Epoch) (n int) {
	for _, m := range c.membersOf(e).Members {
		if c.w.isLiar(m.No) {
			n++
		}
	}
	return n
}

// reveals is told of what a node said of the epoch that ends.
func (c *checker) reveals(n *replica, r *seal.Reveal) {
	if c.revealed == nil {
		c.revealed = map[int]chain.Height{}
	}
	if n.up && r.Epoch == c.sealing.epoch.Epoch() {
		c.revealed[int(n.no)] = max(c.revealed[int(n.no)], r.Top(c.sealing.epoch).Height)
	}
}

// signs is told of a node's signature on a handover.
func (c *checker) signs(n *replica, a *chain.Approval, h *chain.Handover) {
	if !n.up {
		return
	}
	if !c.sealing.verifyApproval(a, h) {
		c.w.fail(checkSeal, "node %d gives a signature that is not over the handover which it was asked to sign", n.no)
		return
	}
	if c.signed == nil {
		c.signed = map[int]chain.Hash{}
	}
	hash := codec.HandoverHash(h)
	if before, ok := c.signed[int(n.no)]; ok && before != hash {
		c.w.fail(checkSeal, "node %d signed two handovers: %s and %s, at height %d", n.no, before, hash, h.Height)
	}
	c.signed[int(n.no)] = hash
}

// ends is told of a handover that a quorum signed. All that was certified, or may be, and all that a client was told must be in
// the history that it ends.
func (c *checker) ends(p *chain.ProvedHandover) {
	if c.ended != nil && codec.HandoverHash(&c.ended.Handover) != codec.HandoverHash(&p.Handover) {
		c.w.fail(checkSeal, "two handovers have a quorum: at height %d and at height %d", c.ended.Height, p.Height)
		return
	}
	if c.ended = p; p.Height < c.top {
		c.w.fail(checkSeal, "the epoch is sealed at height %d, height %d was published", p.Height, c.top)
	}
	c.model.seal(p.Height, &p.Next)
	if c.endOf(p.Next.Epoch-1) == nil {
		c.note(p)
	}
	for i := range c.told {
		if t := &c.told[i]; t.height > p.Height {
			c.w.fail(checkAcknowledged, "a client was told of height %d, the epoch is sealed at height %d", t.height, p.Height)
		}
	}
	for _, said := range c.said {
		for at := range said { // each on its own: the order does not matter
			c.voidStaysVoid(at)
		}
	}
}

// voidStaysVoid checks that no header above the seal was signed by so many that with the liars a quorum could have.
func (c *checker) voidStaysVoid(at heightKey) {
	if c.ended == nil || at.epoch != c.ended.Next.Epoch-1 || at.height <= c.ended.Height {
		return
	}
	c.w.see(seenVoid, 1)
	if hash, certain := c.mayBeCertified(at); certain {
		c.w.fail(checkSeal, "header %s of height %d may have a certificate, its epoch was sealed at height %d", hash, at.height, c.ended.Height)
	}
}

// mayBeCertified finds a header that so many honest validators signed that a quorum may have.
func (c *checker) mayBeCertified(at heightKey) (chain.Hash, bool) {
	count := map[chain.Hash]int{}
	for _, n := range c.w.truthful() {
		hash, ok := c.said[n.no][at]
		if !ok {
			continue
		}
		if count[hash]++; count[hash]+c.liarsIn(at.epoch) >= c.membersOf(at.epoch).Quorum() {
			return hash, true
		}
	}
	return chain.Hash{}, false
}

// provedBy is told of a height that a node stores because the end of its epoch stands for it.
func (c *checker) provedBy(n *replica, x *block) {
	switch {
	case !n.up || n.liar != nil:
	case x.certificate != nil:
		c.publishedBy(n, x)
	default:
		c.stands(n, x)
	}
}

// whyUnproved says what is wrong with a height that a node shows.
func (c *checker) whyUnproved(x *block) string {
	if end := c.endOf(x.header.Epoch); x.certificate == nil && end != nil && x.header.Height <= end.Height && c.hashAt(x.header.Height) == x.hash {
		return ""
	}
	return c.whyUncertified(x.certificate, x.header, x.hash)
}

// reaches compares the state that a node brought to the epoch's end with others'.
func (c *checker) reaches(n *replica) {
	if c.roots == nil {
		c.roots = map[seal.Point]chain.Hash{}
	}
	at := n.target.last
	if before, ok := c.roots[at]; ok && before != n.reached.Root {
		c.w.fail(checkRoots, "at the end of the epoch at height %d node %d has state root %s, another one %s", at.Height, n.no, n.reached.Root, before)
	}
	c.roots[at] = n.reached.Root
}

// finalEpochs checks, once all is at rest, that what may have been certified before a seal is in the history.
func (c *checker) finalEpochs() {
	if c.ended == nil {
		return
	}
	for h := c.sealing.epoch.Base.Height + 1; h <= c.ended.Height; h++ {
		if hash, may := c.mayBeCertified(heightKey{c.ended.Next.Epoch - 1, h}); may && hash != c.hashAt(h) {
			c.w.fail(checkSeal, "header %s of height %d may have a certificate, the history has %s", hash, h, c.hashAt(h))
		}
	}
}
