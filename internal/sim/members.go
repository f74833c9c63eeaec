// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"slices"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
)

// honest are the members of the newest epoch that no liar runs: they must go on.
func (w *world) honest() []*replica { return w.well }

// truthful are all nodes that no liar runs, also those that left and those that are to join.
func (w *world) truthful() []*replica { return w.others }

// isLiar reports whether a liar has a number. Numbers of liars are not given to others.
func (w *world) isLiar(v chain.ValidatorNo) bool { return int(v) >= w.size-w.liars && int(v) < w.size }

// meet is told that another epoch is the newest.
func (w *world) meet(members *chain.Membership) {
	w.well = nil
	for _, m := range members.Members {
		if !w.isLiar(m.No) {
			w.well = append(w.well, w.nodes[m.No])
		}
	}
}

// nextMember is who comes behind a number, in a circle.
func nextMember(m *chain.Membership, v int) int {
	for i := range m.Members {
		if no := int(m.Members[i].No); no > v {
			return no
		}
	}
	return int(m.Members[0].No)
}

// belongs reports whether the node's keys are a member's. Who left is not started again; a person with new keys puts them in place.
func (n *replica) belongs() bool { return n.isMember(n.insiders()) }

// isMember reports whether a member has the node's number and keys.
func (n *replica) isMember(members *chain.Membership) bool {
	m := members.Find(n.no)
	return m != nil && bytes.Equal(m.Ed25519, validatorKeys()[n.key].ed25519)
}

// voting are whose votes count in the node's epoch.
func (n *replica) voting() *chain.Membership {
	before := n.membersOf(n.epoch - 1)
	switch bug := n.bug(); {
	case bug == bugOldMembers && before != nil:
		return before
	case bug == bugStrangerCounted && before != nil:
		all := &chain.Membership{Epoch: n.epoch, Members: slices.Clone(n.members.Members)}
		for i := range before.Members {
			if m := &before.Members[i]; n.members.Find(m.No) == nil {
				at, _ := slices.BinarySearchFunc(all.Members, m.No, func(x chain.Member, v chain.ValidatorNo) int { return int(x.No) - int(v) })
				all.Members = slices.Insert(all.Members, at, *m)
			}
		}
		return all
	}
	return n.members
}

// vacant are the numbers that no member has, below the highest that one has.
func vacant(m *chain.Membership) (list []chain.ValidatorNo) {
	for v := range chain.ValidatorNo(m.Size()) {
		if m.Find(v) == nil {
			list = append(list, v)
		}
	}
	return list
}

// isRight reports whether a vote's signatures are its validator's.
func (n *replica) isRight(v *certify.Vote) bool {
	return n.w.keys.verifyVote(n.voting(), v) || n.bug() == bugVoteUnverified
}
