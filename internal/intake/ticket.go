// SPDX-License-Identifier: Apache-2.0

package intake

import "github.com/aurigraph/aurigraph/internal/chain"

// Ticket is an admitted client batch on its way. Any number of goroutines may wait on it.
type Ticket struct {
	done    chan struct{}
	receipt *chain.Receipt // shared by all of a payload; nil without a certificate
	first   bool
	err     error
	earlier *Ticket // the submission before this one, which has the fate of both; nil if there is none
	// portable is how many legs of it are reserved.
	portable uint64
}

func newTicket() *Ticket { return &Ticket{done: make(chan struct{}), first: true} }

// settledTicket is a ticket whose end is known already.
func settledTicket(r chain.Receipt) *Ticket {
	t := &Ticket{done: make(chan struct{}), receipt: &r}
	close(t.done)
	return t
}

// Done is closed when the batch is certified, or when it never will be.
func (t *Ticket) Done() <-chan struct{} {
	if t.earlier != nil {
		return t.earlier.done
	}
	return t.done
}

// again is the ticket of a later submission of the same payload.
func (t *Ticket) again() *Ticket { return &Ticket{earlier: t} }

// Receipt is the certified fate after Done. first is false when an earlier submission of the same batch has it.
func (t *Ticket) Receipt() (r chain.Receipt, first bool, err error) {
	if t.earlier != nil {
		r, _, err = t.earlier.Receipt()
		return r, false, err
	}
	if t.receipt != nil {
		r = *t.receipt
	}
	return r, t.first, t.err
}

func (t *Ticket) settle(r *chain.Receipt, first bool, err error) {
	t.receipt, t.first, t.err = r, first, err
	close(t.done)
}

// TxTicket is an admitted single transaction on its way.
type TxTicket struct {
	Ticket
	id     chain.Hash
	signed []byte
	item   uint32
	fault  error
}

// ID is the transaction's id.
func (t *TxTicket) ID() chain.Hash { return t.id }

// Refused is why the transaction was not admitted; nil when it was.
func (t *TxTicket) Refused() error { return t.fault }

// Item is its place in its batch, after Done.
func (t *TxTicket) Item() uint32 { return t.item }
