// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Vote is one validator's signed word on one executed header.
type Vote struct {
	Epoch     chain.Epoch
	Height    chain.Height
	Validator chain.ValidatorNo
	Hash      chain.Hash   // of the executed header
	Signature []byte       // Ed25519 over the hash
	RootAt    chain.Height // height whose state root the header carries; 0: none
	StateRoot chain.Hash   // zero with RootAt 0
	RootSig   []byte       // ML-DSA-65 over (RootAt, StateRoot); empty with RootAt 0
	// Decided is the hash of the header's proposal: of own votes only, in their records and not in frames. Zero: unknown.
	Decided chain.Hash
}

// sameRoot reports whether both headers carry the same state root, or none.
func (v *Vote) sameRoot(o *Vote) bool { return v.RootAt == o.RootAt && v.StateRoot == o.StateRoot }

func (v *Vote) signature() chain.ValidatorSignature {
	return chain.ValidatorSignature{Validator: v.Validator, Header: v.Signature, Root: v.RootSig}
}

// Member is a validator's public keys.
type Member struct {
	Header keys.Public // Ed25519
	Root   keys.Public // ML-DSA-65
}

// Membership is a validator set: who may sign, from which epoch on, on which chain.
type Membership struct {
	chain   chain.ChainID
	epoch   chain.Epoch
	headers []*keys.Verifier // by validator number
	roots   []*keys.Verifier
}

// NewMembership works the members' keys out; their order is their numbers. Invalid: none or more than
// chain.ValidatorsMax, a key of another scheme, or a key that two of them use.
func NewMembership(id chain.ChainID, epoch chain.Epoch, members []Member) (*Membership, error) {
	if len(members) == 0 || len(members) > chain.ValidatorsMax {
		return nil, fault.New(fault.Invalid, "a membership has 1 to %d validators, not %d", chain.ValidatorsMax, len(members))
	}
	m := &Membership{chain: id, epoch: epoch}
	used := map[keys.Public]bool{}
	for i, x := range members {
		if x.Header.Scheme() != keys.Ed25519 || x.Root.Scheme() != keys.MLDSA65 {
			return nil, fault.New(fault.Invalid, "validator %d needs a key of %s and one of %s", i, keys.Ed25519, keys.MLDSA65)
		}
		if used[x.Header] || used[x.Root] {
			return nil, fault.New(fault.Invalid, "validator %d has a key of another validator", i)
		}
		used[x.Header], used[x.Root] = true, true
		header, err := keys.NewVerifier(x.Header)
		if err != nil {
			return nil, err
		}
		root, err := keys.NewVerifier(x.Root)
		if err != nil {
			return nil, err
		}
		m.headers, m.roots = append(m.headers, header), append(m.roots, root)
	}
	return m, nil
}

// Of is the membership of an epoch.
func Of(s *epoch.Set) *Membership {
	m := &Membership{chain: s.Chain(), epoch: s.Epoch()}
	for i := range s.Size() {
		v := chain.ValidatorNo(i)
		m.headers, m.roots = append(m.headers, s.HeaderKey(v)), append(m.roots, s.RootKey(v))
	}
	return m
}

// Size is the length of a table by validator number.
func (m *Membership) Size() int { return len(m.headers) }

func (m *Membership) vacant() (list []chain.ValidatorNo) {
	for i, key := range m.headers {
		if key == nil {
			list = append(list, chain.ValidatorNo(i))
		}
	}
	return list
}

func (m *Membership) has(v chain.ValidatorNo) bool { return int(v) < m.Size() && m.headers[v] != nil }

// Verify reports whether a vote's signatures are its validator's. It is safe for use by many goroutines.
func (m *Membership) Verify(v *Vote) bool {
	if !m.has(v.Validator) || !m.headers[v.Validator].Verify(keys.HeaderMessage(m.chain, v.Hash), v.Signature) {
		return false
	}
	if v.RootAt == 0 {
		return len(v.RootSig) == 0
	}
	return m.roots[v.Validator].Verify(keys.RootMessage(m.chain, v.Epoch, v.RootAt, v.StateRoot), v.RootSig)
}

// VerifyCertificate reports whether the signatures of c are its signers'. own is what this node made of the height: if
// the certificate is over the same hash, the signatures for own's state root are verified too.
func (m *Membership) VerifyCertificate(c *chain.Certificate, own *Vote) bool {
	for _, s := range c.Signatures {
		v := Vote{Epoch: c.Epoch, Height: c.Height, Validator: s.Validator, Hash: c.Header, Signature: s.Header}
		if c.Header == own.Hash {
			v.RootAt, v.StateRoot, v.RootSig = own.RootAt, own.StateRoot, s.Root
		}
		if !m.Verify(&v) {
			return false
		}
	}
	return true
}
