// SPDX-License-Identifier: Apache-2.0

package seal

import "github.com/aurigraph/aurigraph/internal/chain"

// Report is what a coordinator saw and did.
type Report struct {
	Epoch    *Epoch            // that is sealed; nil: it was not found
	Decision *Decision         // nil: nothing was chosen
	Next     *chain.Membership // nil: nothing was chosen
	Handover *chain.Handover   // nil: the validators did not agree
	Sealed   bool              // a quorum signed it
	Rows     []Row             // as the voters
}

// Row is one validator in a report.
type Row struct {
	Name     string // the member's, once it is known
	Number   chain.ValidatorNo
	Known    bool // it is in the epoch that is sealed
	LeftOut  bool
	Revealed bool
	// Certified is the newest height that it has a certificate of, Voted the newest that it signed; of those that revealed.
	Certified, Voted chain.Height
	SignedBefore     *Statement // the handover that it had signed before
	Claimed          bool
	Root             chain.Hash // that it claims
	Approved         bool       // it signed the handover
	Running          bool       // it is in the new epoch
	Err              error      // the last one

	where *Where
}

// Answered reports whether the validator said where it is.
func (r *Row) Answered() bool { return r.where != nil }

func newReport(voters []Voter) *Report {
	r := &Report{Rows: make([]Row, len(voters))}
	for i := range voters {
		r.Rows[i].Name = voters[i].Name
	}
	return r
}

// locate notes the epoch, and who is in it.
func (r *Report) locate(e *Epoch, w *Where) {
	r.Epoch = e
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.where == nil {
			continue
		}
		member := e.Membership().Find(row.where.Validator)
		if member != nil && row.where.Chain == w.Chain && row.where.Membership.Epoch == w.Membership.Epoch {
			row.Name, row.Number, row.Known = member.Name, member.No, true
		}
	}
}

func (r *Report) leaveOut(list []chain.ValidatorNo) {
	for i := range r.Rows {
		r.Rows[i].LeftOut = r.Rows[i].Known && setOf(list).has(r.Rows[i].Number)
	}
}

func (r *Row) reveal(x *Reveal, e *Epoch) {
	r.Revealed, r.Certified, r.Voted, r.SignedBefore = true, x.certified(e).Height, x.Top(e).Height, x.Signed
}

func (r *Report) answered() (n int) {
	for i := range r.Rows {
		if r.Rows[i].where != nil {
			n++
		}
	}
	return n
}

func (r *Report) running() (n int) {
	for i := range r.Rows {
		if r.Rows[i].Running {
			n++
		}
	}
	return n
}
