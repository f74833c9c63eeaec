// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Validate checks a membership alone: 1 to ValidatorsMax members, ascending by number, each with a name, keys of the right
// length that no other member has, and a join epoch that has begun. Whether a key is usable is for package keys to say.
// Errors are Invalid, by the reason "membership".
func (m *Membership) Validate() error {
	switch {
	case m.Epoch == 0:
		return badMembership("there is no epoch 0")
	case len(m.Members) == 0 || len(m.Members) > ValidatorsMax:
		return badMembership("%d members, must be 1 to %d", len(m.Members), ValidatorsMax)
	}
	for i := range m.Members {
		x := &m.Members[i]
		switch {
		case x.No >= ValidatorsMax || i > 0 && x.No <= m.Members[i-1].No:
			return badMembership("member %d stands at place %d: numbers ascend to at most %d", x.No, i, ValidatorsMax-1)
		case !validName(x.Name):
			return badMembership("member %d needs a name of 1 to %d bytes of UTF-8", x.No, NameBytesMax)
		case len(x.Ed25519) != Ed25519KeyBytes || len(x.MLDSA65) != MLDSA65KeyBytes:
			return badMembership("member %d needs keys of %d and %d bytes", x.No, Ed25519KeyBytes, MLDSA65KeyBytes)
		case x.JoinEpoch == 0 || x.JoinEpoch > m.Epoch:
			return badMembership("member %d joins in epoch %d of %d", x.No, x.JoinEpoch, m.Epoch)
		case m.keyTaken(x.No, x.Ed25519, x.MLDSA65):
			return badMembership("member %d has a key of another member", x.No)
		}
	}
	return nil
}

// CheckNext checks that next can be the membership of the epoch after m: a member that keeps its keys keeps its name, its
// join epoch and so its lane; one with a new key or a new number joins in the new epoch. Errors are as of Validate.
func (m *Membership) CheckNext(next *Membership) error {
	if next.Epoch != m.Epoch+1 {
		return badMembership("epoch %d does not follow epoch %d", next.Epoch, m.Epoch)
	}
	if err := next.Validate(); err != nil {
		return err
	}
	for i := range next.Members {
		x := &next.Members[i]
		switch before := m.Find(x.No); {
		case !m.Keeps(x) && x.JoinEpoch != next.Epoch:
			return badMembership("member %d has other keys than in epoch %d and must join in epoch %d, not %d", x.No, m.Epoch, next.Epoch, x.JoinEpoch)
		case m.Keeps(x) && (x.JoinEpoch != before.JoinEpoch || x.Name != before.Name):
			return badMembership("member %d keeps its keys and must keep join epoch %d and name %q", x.No, before.JoinEpoch, before.Name)
		}
	}
	return nil
}

// Removes reports whether the change removes a validator.
func (b *ChangeValidator) Removes() bool { return len(b.Ed25519) == 0 && len(b.MLDSA65) == 0 }

// CheckChange says why a change of valid form is not possible in m, or OK. Approvals are another matter.
func (m *Membership) CheckChange(b *ChangeValidator) Outcome {
	member := m.Find(b.Validator)
	switch {
	case b.Epoch != m.Epoch:
		return WrongEpoch
	case b.Removes() && member == nil:
		return UnknownValidator
	case b.Removes() && len(m.Members) == 1:
		return LastValidator
	case b.Removes():
		return OK
	case int(b.Validator) >= ValidatorsMax:
		return ValidatorLimit
	case int(b.Validator) > m.Size():
		return UnknownValidator
	case m.keyTaken(b.Validator, b.Ed25519, b.MLDSA65), member != nil && member.sameKeys(b.Ed25519, b.MLDSA65):
		return ValidatorKeyTaken
	}
	return OK
}

// Changed is the membership of the next epoch after a change that CheckChange found possible.
func (m *Membership) Changed(b *ChangeValidator) *Membership {
	next := &Membership{Epoch: m.Epoch + 1}
	for _, x := range m.Members {
		if x.No != b.Validator {
			next.Members = append(next.Members, x)
		}
	}
	if !b.Removes() {
		at, _ := slices.BinarySearchFunc(next.Members, b.Validator, byNumber)
		next.Members = slices.Insert(next.Members, at, Member{
			No: b.Validator, JoinEpoch: next.Epoch, Name: b.Name, Ed25519: b.Ed25519, MLDSA65: b.MLDSA65,
		})
	}
	return next
}

// keyTaken reports whether another member than v has one of the keys.
func (m *Membership) keyTaken(v ValidatorNo, ed25519, mldsa65 []byte) bool {
	return slices.ContainsFunc(m.Members, func(x Member) bool {
		return x.No != v && (bytes.Equal(x.Ed25519, ed25519) || bytes.Equal(x.MLDSA65, mldsa65))
	})
}

// Keeps reports whether a member of m has x's number and both its keys.
func (m *Membership) Keeps(x *Member) bool {
	before := m.Find(x.No)
	return before != nil && before.sameKeys(x.Ed25519, x.MLDSA65)
}

func (x *Member) sameKeys(ed25519, mldsa65 []byte) bool {
	return bytes.Equal(x.Ed25519, ed25519) && bytes.Equal(x.MLDSA65, mldsa65)
}

func byNumber(x Member, v ValidatorNo) int { return int(x.No) - int(v) }

func badMembership(format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "membership", "membership: "+format, args...)
}
