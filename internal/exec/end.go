// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// End completes the last block of an epoch, which Run returned with Ends: its header names the next membership and carries
// the root of its own state, which whoever begins the next epoch needs at once. Roots that were due before and stand in no
// header yet never will. The machine then executes nothing more; a new one over the same ledger begins the next epoch.
func (m *Machine) End(ex *Executed, root chain.Hash) {
	fault.Invariant(ex != nil && m.ending == ex, "only the block that ends the epoch, height %d excluded, is ended", m.height)
	ex.Header.RootAt, ex.Header.StateRoot = ex.Header.Height, root
	ex.Header.Next = codec.MembershipHash(m.ledger.Membership())
	m.encode(ex)
	m.roots = rootSchedule{last: ex.Header.Height, lastUs: ex.Header.TimeUs}
	m.ending, m.ended = nil, true
}

// Ended reports whether the machine executed the last block of its epoch.
func (m *Machine) Ended() bool { return m.ended || m.ending != nil }

// goesOn refuses a block above the end of the epoch.
func (m *Machine) goesOn() error {
	switch {
	case m.ended:
		return fault.Reasoned(fault.Conflict, "epoch_ended", "the epoch ended at height %d: what was decided above it is void", m.height)
	case m.ending != nil:
		return fault.New(fault.Internal, "header %d, which ends the epoch, needs the state root of its own height first", m.ending.Header.Height)
	}
	return nil
}
