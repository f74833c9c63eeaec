// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"math/bits"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// memberBytesMin is a member without name and keys.
const memberBytesMin = 2 + 8 + 2 + 2 + 2

// AppendMembership appends m's encoding. More than chain.ValidatorsMax members, and a name or key over its length, break
// an invariant.
func AppendMembership(dst []byte, m *chain.Membership) []byte {
	w := writer{dst}
	appendMembership(&w, m)
	return w.b
}

func appendMembership(w *writer, m *chain.Membership) {
	w.raw([]byte(magicMembership))
	w.u64(uint64(m.Epoch))
	w.count(len(m.Members), chain.ValidatorsMax)
	for i := range m.Members {
		x := &m.Members[i]
		w.u16(uint16(x.No))
		w.u64(uint64(x.JoinEpoch))
		w.bytes([]byte(x.Name), chain.NameBytesMax)
		w.bytes(x.Ed25519, chain.Ed25519KeyBytes)
		w.bytes(x.MLDSA65, chain.MLDSA65KeyBytes)
	}
}

// DecodeMembership reads an encoded membership. It checks the framing only; chain.Membership.Validate says whether it can be.
func DecodeMembership(b []byte) (*chain.Membership, error) {
	r := reader{b: b, what: "membership"}
	m := readMembership(&r)
	return &m, r.done()
}

func readMembership(r *reader) chain.Membership {
	r.magic(magicMembership)
	m := chain.Membership{Epoch: chain.Epoch(r.u64())}
	n := r.count(chain.ValidatorsMax, memberBytesMin)
	for range n {
		x := chain.Member{No: chain.ValidatorNo(r.u16()), JoinEpoch: chain.Epoch(r.u64()), Name: string(r.bytes(chain.NameBytesMax))}
		x.Ed25519 = r.bytes(chain.Ed25519KeyBytes)
		x.MLDSA65 = r.bytes(chain.MLDSA65KeyBytes)
		m.Members = append(m.Members, x)
	}
	return m
}

// MembershipHash is what the last header of an epoch names as Next.
func MembershipHash(m *chain.Membership) chain.Hash { return Sum(AppendMembership(nil, m)) }

// ChangeHash is what members approve: the change without the approvals.
func ChangeHash(c *chain.ChangeValidator) chain.Hash {
	w := writer{[]byte(magicChange)}
	appendChange(&w, c)
	return Sum(w.b)
}

func appendChange(w *writer, c *chain.ChangeValidator) {
	w.u64(uint64(c.Epoch))
	w.u16(uint16(c.Validator))
	w.bytes([]byte(c.Name), chain.NameBytesMax)
	w.bytes(c.Ed25519, chain.Ed25519KeyBytes)
	w.bytes(c.MLDSA65, chain.MLDSA65KeyBytes)
}

func readChange(r *reader) *chain.ChangeValidator {
	c := &chain.ChangeValidator{Epoch: chain.Epoch(r.u64()), Validator: chain.ValidatorNo(r.u16()), Name: string(r.bytes(chain.NameBytesMax))}
	c.Ed25519 = r.bytes(chain.Ed25519KeyBytes)
	c.MLDSA65 = r.bytes(chain.MLDSA65KeyBytes)
	return c
}

// appendApprovals writes the set of who approved, a bit each, and then their signatures in that order: so a list has one
// form, and the largest change fits a transaction. A list out of order, and one that passes most, break an invariant.
func appendApprovals(w *writer, list []chain.Approval, most int) {
	fault.Invariant(len(list) <= most, "a list of approvals is longer than its form allows")
	var set uint64
	for i, a := range list {
		fault.Invariant(a.Validator < chain.ValidatorsMax && (i == 0 || a.Validator > list[i-1].Validator), "approvals are not in order")
		fault.Invariant(len(a.Signature) == chain.Ed25519SignatureBytes, "an approval is no Ed25519 signature")
		set |= 1 << a.Validator
	}
	w.u64(set)
	for _, a := range list {
		w.raw(a.Signature)
	}
}

func readApprovals(r *reader, most int) (list []chain.Approval) {
	set := r.u64()
	if n := bits.OnesCount64(set); n > most {
		r.fail("a list of %d approvals", n)
	}
	for ; set != 0 && r.err == nil; set &= set - 1 {
		a := chain.Approval{Validator: chain.ValidatorNo(bits.TrailingZeros64(set))}
		a.Signature = append(a.Signature, r.take(chain.Ed25519SignatureBytes)...)
		list = append(list, a)
	}
	return list
}
