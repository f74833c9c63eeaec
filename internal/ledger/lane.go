// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// laneRecord is the last entry of a validator's lane that was executed.
type laneRecord struct {
	JoinEpoch chain.Epoch
	Sequence  uint64
	Tip       chain.Hash // digest of that entry
}

// Lane tells where the lane of validator v stands: the epoch in which it joined, the sequence of its last executed
// entry and that entry's digest. All are zero for a validator that is not in the membership.
func (l *Ledger) Lane(v chain.ValidatorNo) (chain.Epoch, uint64, chain.Hash) {
	if uint32(v) >= l.meta.Ref(0).Validators {
		return 0, 0, chain.Hash{}
	}
	r := l.lanes.Ref(uint64(v))
	return r.JoinEpoch, r.Sequence, r.Tip
}

// AdvanceLane notes that e, whose digest is given, was executed. An entry that does not follow the lane's last one
// breaks an invariant: whoever executes entries has checked them.
func (l *Ledger) AdvanceLane(e chain.LaneEntry, digest chain.Hash) {
	fault.Invariant(l.isMember(e.Validator), "there is no lane of validator %d", e.Validator)
	r := l.lanes.Mut(uint64(e.Validator))
	fault.Invariant(e.JoinEpoch == r.JoinEpoch && e.Sequence == r.Sequence+1 && e.Parent == r.Tip,
		"lane %d: entry %d of epoch %d cannot follow entry %d of epoch %d", e.Validator, e.Sequence, e.JoinEpoch, r.Sequence, r.JoinEpoch)
	r.Sequence, r.Tip = e.Sequence, digest
}
