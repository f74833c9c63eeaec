// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// ReasonReverseRate is that of portable work that V10 could not take back in time.
const ReasonReverseRate = "reverse_rate"

// Portable bounds what V10 has to take back while it may become the home again. It is safe for concurrent use and quick.
type Portable interface {
	// Legs is how much of a batch counts, Tx of a transaction; 0 of what is never held back.
	Legs(b chain.Batch) uint64
	Tx(tx *chain.SignedTx) uint64
	// Admit lets legs in, or not now. What was let in ends with Settled: in the block of a height, or 0 if it never will be in one.
	Admit(legs uint64) bool
	Settled(legs uint64, height chain.Height)
}

// reserve has Portable let a submission in. What is not portable needs nobody's leave.
func (in *Intake) reserve(legs uint64) error {
	if legs == 0 || in.Portable.Admit(legs) {
		return nil
	}
	return fault.Reasoned(fault.TryLater, ReasonReverseRate, "V10 may become the home again, and has not applied what V11 did already: send it again in a moment")
}

// giveBack says that reserved legs will be in no block, and passes on why.
func (in *Intake) giveBack(t *Ticket, err error) error {
	if t.portable > 0 {
		in.Portable.Settled(t.portable, 0)
		t.portable = 0
	}
	return err
}

// settlePortable says in which block the reserved legs of a payload are.
func (in *Intake) settlePortable(w *waiter, height chain.Height) {
	var legs uint64
	if w.ticket != nil {
		legs = w.ticket.portable
	}
	for _, t := range w.txs {
		legs += t.portable
	}
	if legs > 0 {
		in.Portable.Settled(legs, height)
	}
}

// legsOf counts a batch, txLegs a transaction.
func (in *Intake) legsOf(b chain.Batch) uint64 {
	if in.Portable == nil {
		return 0
	}
	return in.Portable.Legs(b)
}

func (in *Intake) txLegs(tx *chain.SignedTx) uint64 {
	if in.Portable == nil {
		return 0
	}
	return in.Portable.Tx(tx)
}
