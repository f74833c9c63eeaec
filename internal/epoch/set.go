// SPDX-License-Identifier: Apache-2.0

package epoch

import (
	"errors"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Set is the membership of an epoch with the key schedules of its members. It is immutable and safe for use by many
// goroutines.
type Set struct {
	chain      chain.ChainID
	membership chain.Membership
	begin      *chain.Handover  // that began the epoch; nil in epoch 1, and where nobody said
	headers    []*keys.Verifier // by validator number; nil for a vacant one
	roots      []*keys.Verifier
}

// NewSet works the members' keys out. What chain.Membership.Validate refuses and a key that is unusable is Invalid.
func NewSet(id chain.ChainID, m *chain.Membership) (*Set, error) { return newSet(id, m, nil) }

// newSet takes over the key schedules of who is in a set already under the same number and keys: they are most of its memory.
func newSet(id chain.ChainID, m *chain.Membership, before *Set) (*Set, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	s := &Set{chain: id, membership: *m, headers: make([]*keys.Verifier, m.Size()), roots: make([]*keys.Verifier, m.Size())}
	for i := range m.Members {
		x := &m.Members[i]
		if before != nil && before.membership.Keeps(x) {
			s.headers[x.No], s.roots[x.No] = before.headers[x.No], before.roots[x.No]
			continue
		}
		header, headerErr := verifierOf(keys.Ed25519, x.Ed25519)
		root, rootErr := verifierOf(keys.MLDSA65, x.MLDSA65)
		if err := errors.Join(headerErr, rootErr); err != nil {
			return nil, refused(ReasonUnusableKey, "the keys of validator %d: %v", x.No, err)
		}
		s.headers[x.No], s.roots[x.No] = header, root
	}
	return s, nil
}

// NewSetAfter is NewSet of the membership that a handover, which was proved, begins. Such a set also knows where its epoch
// begins, without which VerifyHandover refuses to end an epoch that certified nothing.
func NewSetAfter(begin *chain.Handover) (*Set, error) { return newSetAfter(begin, nil) }

func newSetAfter(begin *chain.Handover, before *Set) (*Set, error) {
	s, err := newSet(begin.Chain, &begin.Next, before)
	if err != nil {
		return nil, err
	}
	h := *begin
	s.begin = &h
	return s, nil
}

func verifierOf(s keys.Scheme, key []byte) (*keys.Verifier, error) {
	public, err := keys.ParsePublic(append([]byte{byte(s)}, key...))
	if err != nil {
		return nil, err
	}
	return keys.NewVerifier(public)
}

// Usable reports whether both keys are ones that a Set can be made of: a member with another would end the chain.
func Usable(ed25519, mldsa65 []byte) bool {
	_, headerErr := keys.ParsePublic(append([]byte{byte(keys.Ed25519)}, ed25519...))
	_, rootErr := keys.ParsePublic(append([]byte{byte(keys.MLDSA65)}, mldsa65...))
	return headerErr == nil && rootErr == nil
}

// Chain is the chain whose signatures the set verifies.
func (s *Set) Chain() chain.ChainID { return s.chain }

// Epoch is the epoch in which the members validate.
func (s *Set) Epoch() chain.Epoch { return s.membership.Epoch }

// Membership is who the members are. It is shared: do not change it.
func (s *Set) Membership() *chain.Membership { return &s.membership }

// Quorum is how many members certify.
func (s *Set) Quorum() int { return s.membership.Quorum() }

// Size is one more than the highest number: the length of a table by validator number.
func (s *Set) Size() int { return len(s.headers) }

// HeaderKey verifies what a member signs with Ed25519; nil if the number is vacant.
func (s *Set) HeaderKey(v chain.ValidatorNo) *keys.Verifier { return at(s.headers, v) }

// RootKey verifies what a member signs with ML-DSA-65; nil if the number is vacant.
func (s *Set) RootKey(v chain.ValidatorNo) *keys.Verifier { return at(s.roots, v) }

func at(list []*keys.Verifier, v chain.ValidatorNo) *keys.Verifier {
	if int(v) >= len(list) {
		return nil
	}
	return list[v]
}
