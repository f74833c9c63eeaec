// SPDX-License-Identifier: Apache-2.0

package chain

import "slices"

// Sizes of a validator's keys and of what it signs with the first, in bytes.
const (
	Ed25519KeyBytes       = 32
	MLDSA65KeyBytes       = 1952
	Ed25519SignatureBytes = 64
)

// ApprovalsMax is the quorum of ValidatorsMax members: with it a change still fits TxBytesMax.
const ApprovalsMax = 43

// Member is a validator of a membership epoch.
type Member struct {
	No        ValidatorNo
	JoinEpoch Epoch // its lane begins anew in this epoch, at sequence 1
	Name      string
	Ed25519   HexBytes // signs headers, changes and seals; 32 bytes
	MLDSA65   HexBytes // signs state roots; 1,952 bytes
}

// Membership is the validator set of one epoch. Members ascend by number; a number that no member has is vacant.
type Membership struct {
	Epoch   Epoch
	Members []Member
}

// Find returns the member with a number, nil if it is vacant.
func (m *Membership) Find(v ValidatorNo) *Member {
	i, ok := slices.BinarySearchFunc(m.Members, v, byNumber)
	if !ok {
		return nil
	}
	return &m.Members[i]
}

// Size is one more than the highest number: the length of a table by validator number.
func (m *Membership) Size() int {
	if len(m.Members) == 0 {
		return 0
	}
	return int(m.Members[len(m.Members)-1].No) + 1
}

// Quorum is how many members certify.
func (m *Membership) Quorum() int { return Quorum(len(m.Members)) }

// FirstHandover is the epoch that the first handover begins: epoch 1 begins with the genesis.
const FirstHandover Epoch = 2

// Membership is the validator set of epoch 1.
func (g *Genesis) Membership() *Membership {
	m := &Membership{Epoch: 1}
	for i, v := range g.Validators {
		m.Members = append(m.Members, Member{No: ValidatorNo(i), JoinEpoch: 1, Name: v.Name, Ed25519: v.Ed25519, MLDSA65: v.MLDSA65})
	}
	return m
}

// Approval is a member's Ed25519 signature on a change of the membership.
type Approval struct {
	Validator ValidatorNo
	Signature []byte // 64 bytes, over keys.ChangeMessage
}

// ChangeValidator admits a validator, gives one new keys, or removes one (both keys empty). Governance only, with
// approvals of a quorum of the epoch's members. The block that executes it is the last of its epoch.
type ChangeValidator struct {
	Epoch     Epoch // the present one, so that a change is made once
	Validator ValidatorNo
	Name      string // of whom it admits or re-keys; empty for a removal
	Ed25519   HexBytes
	MLDSA65   HexBytes
	Approvals []Approval // ascending by validator, each once
}

// Verdict says what a seal means.
type Verdict uint8

// The verdicts. Append only.
const (
	VerdictNone      Verdict = 0 // the epoch ended by a governance transaction
	VerdictUnchanged Verdict = 1 // sealed; V11 goes on in a new epoch, each slot where it is
	VerdictToV10     Verdict = 2 // sealed; V11 goes on in a new epoch, and all slots that it owned are V10's
)

// ReasonNoWayBack is why a seal with VerdictToV10 is refused: V10 can own no slot any more, or never could.
const ReasonNoWayBack = "no_way_back"

// Seals reports whether the verdict is one of a seal that this version knows.
func (v Verdict) Seals() bool { return v == VerdictUnchanged || v == VerdictToV10 }

// String names a verdict.
func (v Verdict) String() string {
	switch v {
	case VerdictNone:
		return "none"
	case VerdictUnchanged:
		return "unchanged"
	case VerdictToV10:
		return "to_v10"
	}
	return "unknown"
}

// Handover ends a membership epoch: its history stands up to Height, and Next goes on from there.
type Handover struct {
	Chain   ChainID
	Verdict Verdict
	Height  Height // the last one of the epoch
	Header  Hash   // of the executed header at Height
	Root    Hash   // of the state after Height in which Next is the membership
	Next    Membership

	// HomeVersion is, with VerdictToV10, the version of the home table in that state, which the seal made; else 0.
	HomeVersion uint64
}

// ProvedHandover is a handover with what shows it to whoever knows the epoch before: the last header with its certificate.
// A governance change stands in that header (Next is the membership's hash, RootAt its own height). A seal is signed by a
// quorum instead.
type ProvedHandover struct {
	Handover
	HeaderBytes []byte
	Certificate *Certificate
	Seal        []Approval // with a verdict: over keys.SealMessage, ascending by validator; else empty
}
