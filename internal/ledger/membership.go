// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// validatorRecord is a member's keys; it is zero, as is its lane, for a vacant number.
type validatorRecord struct {
	Ed25519   [chain.Ed25519KeyBytes]byte
	MLDSA65   largeKeyRecord
	NameBytes uint32
	Name      nameRecord
}

// isMember reports whether a number is a member's: a lane that never began belongs to nobody.
func (l *Ledger) isMember(v chain.ValidatorNo) bool {
	return uint32(v) < l.meta.Ref(0).Validators && l.lanes.Ref(uint64(v)).JoinEpoch != 0
}

// Membership is the validator set of the present epoch. It is a copy.
func (l *Ledger) Membership() *chain.Membership {
	meta := l.meta.Ref(0)
	m := &chain.Membership{Epoch: meta.Epoch}
	for v := chain.ValidatorNo(0); uint32(v) < meta.Validators; v++ {
		if !l.isMember(v) {
			continue
		}
		r := l.validators.Ref(uint64(v))
		m.Members = append(m.Members, chain.Member{
			No: v, JoinEpoch: l.lanes.Ref(uint64(v)).JoinEpoch, Name: string(r.Name[:r.NameBytes]),
			Ed25519: append(chain.HexBytes(nil), r.Ed25519[:]...),
			MLDSA65: append(chain.HexBytes(nil), r.MLDSA65[:]...),
		})
	}
	return m
}

// Ended reports whether the last block ended its epoch: the ledger has the next membership already, and the machine that
// executed the block executes no other.
func (l *Ledger) Ended() bool { return l.ended }

// runChangeValidator notes the next membership. The change takes effect at the end of the block, so that what stands behind
// it in the block executes like what stands before it. Approvals come last: they cost most.
func (l *Ledger) runChangeValidator(who actor, b *chain.ChangeValidator) chain.Outcome {
	switch {
	case !who.governs():
		return chain.NotAuthorized
	case (&chain.Tx{Body: b}).Validate() != nil || !b.Removes() && !epoch.Usable(b.Ed25519, b.MLDSA65):
		return chain.BadField
	case l.next.Epoch != 0:
		return chain.EpochEnding
	}
	present := l.Membership()
	if code := present.CheckChange(b); code != chain.OK {
		return code
	}
	if err := epoch.VerifyApprovals(present, keys.ChangeMessage(l.Chain(), codec.ChangeHash(b)), b.Approvals); err != nil {
		return chain.NotApproved
	}
	l.next = *present.Changed(b)
	return chain.OK
}

// ApplySeal makes next the membership after a seal ended the present epoch, between two blocks, and does what the verdict says. It is the one
// place where a state goes over an epoch's end without a block. Invalid: what chain.Membership.CheckNext refuses, and an unusable key.
// Conflict: the verdict cannot be carried out. Nothing changed then.
func (l *Ledger) ApplySeal(next *chain.Membership, v chain.Verdict) error {
	if err := l.Membership().CheckNext(next); err != nil {
		return err
	}
	for i := range next.Members {
		if x := &next.Members[i]; !epoch.Usable(x.Ed25519, x.MLDSA65) {
			return fault.Reasoned(fault.Invalid, "membership", "membership: member %d has an unusable key", x.No)
		}
	}
	if v == chain.VerdictToV10 {
		if err := l.mayReturn(); err != nil {
			return err
		}
		l.returnAll()
	}
	l.setMembership(next)
	return nil
}

// SealedVersion is what a handover of that verdict says of the home table behind ApplySeal.
func (l *Ledger) SealedVersion(v chain.Verdict) uint64 {
	if v != chain.VerdictToV10 {
		return 0
	}
	return l.HomeVersion()
}

// setMembership begins an epoch. Records and lanes are then a function of the membership and of what its members executed:
// who joins begins a lane anew, who left leaves nothing.
func (l *Ledger) setMembership(next *chain.Membership) {
	meta := l.meta.Mut(0)
	size := uint32(next.Size())
	for v := uint32(0); v < max(size, meta.Validators); v++ {
		l.setMember(chain.ValidatorNo(v), next.Find(chain.ValidatorNo(v)))
	}
	meta.Epoch, meta.Validators = next.Epoch, size
}

// setMember writes the record of a number, and begins its lane anew unless it goes on. A nil member leaves it vacant.
func (l *Ledger) setMember(v chain.ValidatorNo, x *chain.Member) {
	if x == nil {
		*l.validators.Mut(uint64(v)), *l.lanes.Mut(uint64(v)) = validatorRecord{}, laneRecord{}
		return
	}
	if lane := l.lanes.Mut(uint64(v)); lane.JoinEpoch != x.JoinEpoch {
		*lane = laneRecord{JoinEpoch: x.JoinEpoch}
	}
	r := validatorRecord{NameBytes: uint32(len(x.Name))}
	copy(r.Name[:], x.Name)
	copy(r.Ed25519[:], x.Ed25519)
	copy(r.MLDSA65[:], x.MLDSA65)
	*l.validators.Mut(uint64(v)) = r
}

// attachMembers checks that vacant numbers left nothing, and that the highest number is a member's.
func (l *Ledger) attachMembers() error {
	m := l.meta.Ref(0)
	if m.Epoch == 0 || m.Validators == 0 || !l.isMember(chain.ValidatorNo(m.Validators-1)) {
		return corrupt("%d validators in epoch %d", m.Validators, m.Epoch)
	}
	for v := uint64(0); v < uint64(m.Validators); v++ {
		lane, r := l.lanes.Ref(v), l.validators.Ref(v)
		switch vacant := lane.JoinEpoch == 0; {
		case vacant && (*lane != laneRecord{} || *r != validatorRecord{}):
			return corrupt("validator %d left something", v)
		case !vacant && (lane.JoinEpoch > m.Epoch || r.NameBytes == 0 || r.NameBytes > chain.NameBytesMax):
			return corrupt("validator %d joined in epoch %d and has a name of %d bytes", v, lane.JoinEpoch, r.NameBytes)
		}
	}
	return nil
}
