// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Point is an executed header: its height and its hash.
type Point struct {
	Height chain.Height
	Header chain.Hash
}

// Epoch is the epoch that is to be sealed: its members, and the last header before it (height 0 in the first epoch).
type Epoch struct {
	*epoch.Set
	Base Point
}

// faultyMax is f: how many of the members may be faulty.
func (e *Epoch) faultyMax() int { return (len(e.Membership().Members) - 1) / 3 }

// LeftOut lists the members that do not go on with their keys in the next membership, ascending.
func (e *Epoch) LeftOut(next *chain.Membership) (list []chain.ValidatorNo) {
	for i := range e.Membership().Members {
		x := &e.Membership().Members[i]
		after := next.Find(x.No)
		if after == nil || !bytes.Equal(after.Ed25519, x.Ed25519) || !bytes.Equal(after.MLDSA65, x.MLDSA65) {
			list = append(list, x.No)
		}
	}
	return list
}

// Without is the membership after this one in which some members are left out, and all others go on.
func (e *Epoch) Without(out []chain.ValidatorNo) *chain.Membership {
	next := &chain.Membership{Epoch: e.Epoch() + 1}
	for _, x := range e.Membership().Members {
		if !setOf(out).has(x.No) {
			next.Members = append(next.Members, x)
		}
	}
	return next
}

// checkNext checks that the next membership can follow and leaves out no more members than may be faulty.
func (e *Epoch) checkNext(next *chain.Membership) error {
	if err := e.Membership().CheckNext(next); err != nil {
		return err
	}
	if n := len(e.LeftOut(next)); n > e.faultyMax() {
		return tooManyLeftOut(n, e)
	}
	return nil
}

func tooManyLeftOut(n int, e *Epoch) error {
	return fault.Reasoned(fault.Invalid, "too_many_left_out", "%d of %d members are left out: a seal is safe with at most %d, because who is left out counts as faulty; others can leave by a governance change later", n, len(e.Membership().Members), e.faultyMax())
}

// members is a set of validators, a bit each.
type members uint64

func setOf(list []chain.ValidatorNo) (s members) {
	for _, v := range list {
		s.add(v)
	}
	return s
}

// add reports whether v was not there.
func (s *members) add(v chain.ValidatorNo) bool {
	bit := members(1) << v
	added := *s&bit == 0
	*s |= bit
	return added
}

func (s members) has(v chain.ValidatorNo) bool { return s&(1<<v) != 0 }
