// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// voteKey is a validator's vote of a height.
type voteKey struct {
	validator chain.ValidatorNo
	height    chain.Height
}

// evidence checks that nobody honest is accused.
func (c *checker) evidence(n *replica, e *certify.Evidence) {
	if n.liar == nil && !c.w.isLiar(e.First.Validator) {
		c.w.fail(checkEvidence, "node %d accuses honest validator %d of two headers of height %d", n.no, e.First.Validator, e.First.Height)
	}
}

// laneEvidence is the same for lanes.
func (c *checker) laneEvidence(n *replica, e *spread.Evidence) {
	if n.liar != nil {
		return
	}
	accused := c.w.isLiar(e.Lane)
	switch e.Kind {
	case spread.EvidenceAck:
		accused = accused || c.w.isLiar(e.From)
	case spread.EvidenceAhead:
		accused = c.w.isLiar(e.From)
	case spread.EvidenceDecided:
		accused = accused || c.misledIn(n)
	}
	if !accused {
		c.w.fail(checkEvidence, "node %d finds evidence %d in lane %d against validator %d: one of them is honest", n.no, e.Kind, e.Lane, e.From)
	}
}

// heard is told of a vote with a right signature that a node's certifier admitted: two of one validator and height must
// leave evidence.
func (c *checker) heard(n *replica, v *certify.Vote) {
	if n.liar != nil || !n.up || n.halted != "" {
		return
	}
	key := voteKey{v.Validator, v.Height}
	if !slices.Contains(n.twice[key], v.Hash) {
		n.twice[key] = append(n.twice[key], v.Hash)
	}
	if len(n.twice[key]) < 2 {
		return
	}
	found := slices.ContainsFunc(n.disk.evidence, func(e certify.Evidence) bool {
		return e.First.Validator == v.Validator && e.First.Height == v.Height
	})
	if !found {
		c.w.fail(checkEvidence, "node %d saw two headers of height %d signed by validator %d, and has no evidence", n.no, v.Height, v.Validator)
	}
}

// heardAck is told of an acknowledgement: one of an own entry that there is not, or that is another one, must leave
// evidence.
func (c *checker) heardAck(n *replica, from int, at *spread.Position) {
	if n.liar != nil || !n.up || at.Lane != n.no || at.Epoch != n.ownSince {
		return
	}
	_, executed, _ := n.ledger.Lane(n.no)
	own, known := n.ownAt[at.Sequence]
	ahead := at.Sequence > n.own.sequence
	if !ahead && (!known || own == at.Digest || at.Sequence <= executed || !n.holds(own)) {
		return
	}
	found := slices.ContainsFunc(n.laneEvidence, func(x spread.Evidence) bool {
		return x.Lane == n.no && int(x.From) == from && (x.Kind == spread.EvidenceAhead || x.Kind == spread.EvidenceAck)
	})
	if !found {
		c.w.fail(checkEvidence, "validator %d acknowledges entry %d of node %d, which cut another one or none, and there is no evidence", from, at.Sequence, n.no)
	}
}

// judged is told what became of a lane entry: a fork that is refused as one must leave evidence.
func (c *checker) judged(n *replica, from int, e *chain.LaneEntry, d chain.Hash, word string) {
	if n.liar != nil || word != spread.RefusedFork && word != spread.RefusedParent {
		return
	}
	found := slices.ContainsFunc(n.laneEvidence, func(x spread.Evidence) bool {
		return x.Lane == e.Validator && (x.Kind == spread.EvidenceFork || x.Kind == spread.EvidenceParent)
	})
	if !found {
		c.w.fail(checkEvidence, "node %d refused entry %d of lane %d of validator %d as a fork (%s), and has no evidence", n.no, e.Sequence, e.Validator, from, d)
	}
}

// acknowledged checks what a client is told: certified, and what the model says.
func (c *checker) acknowledged(n *replica, r *request, x *block, outcomes chain.Hash) {
	if n.liar != nil {
		return
	}
	if problem := c.whyUnproved(x); problem != "" {
		c.w.fail(checkAcknowledged, "node %d tells a client of height %d: %s", n.no, x.header.Height, problem)
	}
	c.belongs(n, x)
	c.told = append(c.told, told{r.id, x.header.Height, x.hash, outcomes})
	c.stillTrue(&c.told[len(c.told)-1])
}

// stillTrue compares what a client was told with the certified history.
func (c *checker) stillTrue(t *told) {
	if t.height > c.model.height() {
		return
	}
	if at, ok := c.model.places[t.id]; !ok || at.height != t.height || at.outcomes != t.outcomes || c.hashAt(t.height) != t.header {
		c.w.fail(checkAcknowledged, "a client was told that batch %s is in height %d; the history has it in %d", t.id, t.height, at.height)
	}
}

// refused checks that a client is told to sign again only where its batch moved nothing.
func (c *checker) refused(n *replica, r *request, x *block) {
	if n.liar != nil {
		return
	}
	if at, ok := c.model.places[r.id]; ok && at.height <= x.header.Height {
		c.w.fail(checkAcknowledged, "node %d tells a client that batch %s is stale; it was executed in height %d", n.no, r.id, at.height)
	}
}
