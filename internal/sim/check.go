// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// The checkers, by the word under which a broken promise is reported.
const (
	checkOrder        = "order"        // honest nodes decide the same proposals
	checkGap          = "gap"          // heights are published in order, none left out
	checkCertificate  = "certificate"  // a quorum of different validators signed; one header a height
	checkVote         = "vote"         // an honest validator signs one header a height, durable before it leaves
	checkHeld         = "held"         // what is offered or ordered lies on enough honest disks
	checkAck          = "ack"          // an honest validator holds durably what it acknowledges, one entry a place
	checkHistory      = "history"      // the certified history is what the model makes of it
	checkConservation = "conservation" // no money is made or lost
	checkRoots        = "roots"        // equal states have equal roots
	checkAcknowledged = "acknowledged" // what a client was told stays true
	checkEvidence     = "evidence"     // a liar that can be found is found, and no honest validator accused
	checkRetention    = "retention"    // a node can restart from its own disk
	checkBounds       = "bounds"       // the depth executed and not certified is bounded
	checkHalt         = "halt"         // no honest node stops
	checkStart        = "start"        // an honest node starts from its disk
	checkMembership   = "membership"   // an epoch ends once, for all alike, and its members alone count
	checkHomes        = "homes"        // a slot has one home, the same for all alike, and a seal's verdict is carried out
	checkSeal         = "seal"         // an epoch is sealed once, and above all that was certified and told
	checkLiveness     = "liveness"     // after the faults, all goes on within so many election timeouts
)

// checker watches all that honest nodes do. It sees disks and payloads as they are, which no node can.
type checker struct {
	w     *world
	model *model

	decided   map[heightKey]chain.Hash // by any honest node
	certified map[chain.Height]*block
	top       chain.Height               // published by any honest node
	said      []map[heightKey]chain.Hash // what each node signed, in all its lives
	acks      map[laneKey]chain.Hash
	ballots   map[ballot]int      // whom each node helped to lead a term
	replaced  map[chain.Hash]bool // entries that ordering decided: they may replace others
	told      []told
	misled    bool // a liar lied to the ordering engine as its leader
	epochChecks
	sealChecks
}

// heightKey is a height of an epoch: what was decided and signed above an epoch's end is void, and its heights come again.
type heightKey struct {
	epoch  chain.Epoch
	height chain.Height
}

type laneKey struct {
	node     int // who it is: a number may have several owners, one after the other
	lane     laneID
	sequence uint64
}

// ballot is a node's say in who leads a term.
type ballot struct {
	node  int
	epoch chain.Epoch
	term  uint64
}

// told is what a client was told of its batch.
type told struct {
	id       chain.Hash
	height   chain.Height
	header   chain.Hash
	outcomes chain.Hash
}

func newChecker(w *world) *checker {
	c := &checker{
		w: w, model: newModel(w.members), decided: map[heightKey]chain.Hash{}, certified: map[chain.Height]*block{},
		acks: map[laneKey]chain.Hash{}, ballots: map[ballot]int{}, replaced: map[chain.Hash]bool{},
	}
	for range w.places {
		c.said = append(c.said, map[heightKey]chain.Hash{})
	}
	return c
}

// decidedBy compares what a node decided with what others did. A lying leader may tell followers different things, so
// from its first lie on only certificates agree.
func (c *checker) decidedBy(n *replica, p *chain.Proposal) {
	if n.liar != nil || !n.up {
		return
	}
	hash := codec.ProposalHash(p)
	key := heightKey{n.epoch, p.Height}
	before, ok := c.decided[key]
	switch {
	case !ok:
		c.decided[key] = hash
		for _, d := range p.Entries {
			c.replaced[d] = true
		}
		c.ordered(n, p)
	case before != hash && !c.misledIn(n):
		c.w.fail(checkOrder, "node %d decided height %d as %s, another one as %s", n.no, p.Height, hash, before)
	}
}

// ordered checks that what was ordered can be had, if an honest leader ordered it.
func (c *checker) ordered(n *replica, p *chain.Proposal) {
	if end := c.endOf(n.epoch); c.misledIn(n) || end != nil && p.Height > end.Height { // void
		return
	}
	for _, d := range p.Entries {
		if at := c.model.executed[d]; at == 0 || at >= p.Height {
			c.held(n.epoch, d, "node %d: height %d orders", int(n.no), p.Height)
		}
	}
}

// offeredBy checks that what a node offers to ordering can be had. In an epoch that it knows to have ended it orders nothing.
func (c *checker) offeredBy(n *replica, d chain.Hash) {
	if n.liar == nil && n.up && n.endOf(n.epoch) == nil && c.model.executed[d] == 0 {
		c.held(n.epoch, d, "node %d at height %d offers", int(n.no), n.machine.Height())
	}
}

// held checks that so many honest disks hold an entry that it stays to be had, whatever the liars do.
func (c *checker) held(e chain.Epoch, d chain.Hash, who string, node int, h chain.Height) {
	if need, holders := c.holders(e, d, nil); holders < need {
		c.w.fail(checkHeld, who+" entry %s, which %d honest disks hold, and %d must", node, h, d, holders, need)
	}
}

// holders counts the honest disks that hold an entry, all but one's, and says how many make it available.
func (c *checker) holders(e chain.Epoch, d chain.Hash, but *replica) (need, holders int) {
	members := c.membersOf(e)
	for _, n := range c.w.truthful() {
		if n != but && n.holds(d) && members.Find(n.no) != nil {
			holders++
		}
	}
	return members.Quorum() - c.liarsIn(e) - c.lostIn(e), holders
}

// holds reports whether an entry is on a node's disk for good, up or not.
func (n *replica) holds(d chain.Hash) bool { return n.payloads.keys[d] }

// publishedBy checks a height that a node shows to clients.
func (c *checker) publishedBy(n *replica, x *block) {
	if n.liar != nil || !n.up {
		return
	}
	c.checkCertificate(n, x)
	c.stands(n, x)
}

// stands notes a height that is certified, or sealed, and compares it with what others showed.
func (c *checker) stands(n *replica, x *block) {
	h := x.header.Height
	c.belongs(n, x)
	before := c.certified[h]
	if before == nil {
		c.certified[h] = x
		c.replay()
	} else if before.hash != x.hash {
		c.w.fail(checkCertificate, "height %d is certified as %s by node %d, and as %s by another", h, x.hash, n.no, before.hash)
	}
	if x.header.Previous != c.hashAt(h-1) && c.hashAt(h-1) != (chain.Hash{}) {
		c.w.fail(checkGap, "node %d publishes height %d on header %s, height %d has %s", n.no, h, x.header.Previous, h-1, c.hashAt(h-1))
	}
	c.top = max(c.top, h)
}

// hashAt is the certified header of a height; zero if nobody showed one.
func (c *checker) hashAt(h chain.Height) chain.Hash {
	if h == 0 {
		return c.w.genesisHash
	}
	if x := c.certified[h]; x != nil {
		return x.hash
	}
	return chain.Hash{}
}

func (c *checker) checkCertificate(n *replica, x *block) {
	if problem := c.whyUncertified(x.certificate, x.header, x.hash); problem != "" {
		c.w.fail(checkCertificate, "node %d publishes height %d: %s", n.no, x.header.Height, problem)
		return
	}
	for _, s := range x.certificate.Signatures {
		if !c.w.isLiar(s.Validator) {
			c.says(int(s.Validator), heightKey{x.header.Epoch, x.header.Height}, x.hash)
		}
	}
}

// whyUncertified says what is wrong with a certificate.
func (c *checker) whyUncertified(x *chain.Certificate, h *chain.ExecutedHeader, hash chain.Hash) string {
	if x == nil {
		return "there is no certificate"
	}
	members := c.membersOf(h.Epoch)
	if x.Header != hash || x.Height != h.Height || x.Epoch != h.Epoch || members == nil {
		return "the certificate is of another header"
	}
	signers := map[chain.ValidatorNo]bool{}
	for _, s := range x.Signatures {
		if members.Find(s.Validator) == nil {
			c.w.fail(checkMembership, "validator %d signs height %d of epoch %d, of which it is no member", s.Validator, h.Height, h.Epoch)
		}
		signers[s.Validator] = true
	}
	switch {
	case len(signers) < members.Quorum() || len(signers) != len(x.Signatures):
		return "its certificate has no quorum of different validators"
	case !c.w.keys.verifySignatures(members, x, h):
		return "its certificate has a false signature"
	}
	return ""
}

// replay runs the model over the certified history, as far as it is known.
func (c *checker) replay() {
	for {
		x := c.certified[c.model.height()+1]
		if x == nil {
			return
		}
		want := c.model.run(x.proposal, c.w.truths)
		c.compareEnds()
		got := x.header.Batches
		if len(got) != len(want) {
			c.w.fail(checkHistory, "height %d has %d batches, the model %d", x.header.Height, len(got), len(want))
			return
		}
		for i := range got {
			if got[i] != want[i] {
				c.w.fail(checkHistory, "height %d, batch %d is %+v, the model says %+v", x.header.Height, i, got[i], want[i])
			}
			if c.w.crowd.made[got[i].Batch] == nil {
				c.w.fail(checkHistory, "height %d executes batch %s, which no client signed", x.header.Height, got[i].Batch)
			}
		}
	}
}
