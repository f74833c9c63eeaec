// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"sync"
	"time"
)

// AccountsMax bounds the accounts of a history: the model's state has a fixed size, so that states compare fast.
const AccountsMax = 8

// Span is when an operation was sent and answered, since the history began.
type Span struct{ Sent, Answered time.Duration }

// Place is where the ledger says that it executed a transfer: in which height, which batch of it, which item of that.
type Place struct {
	Height uint64
	Batch  uint32
	Item   uint32
}

// before orders places as the ledger executed them.
func (p Place) before(q Place) bool {
	switch {
	case p.Height != q.Height:
		return p.Height < q.Height
	case p.Batch != q.Batch:
		return p.Batch < q.Batch
	default:
		return p.Item < q.Item
	}
}

// Transfer is one that was answered with its certified outcome.
type Transfer struct {
	Span
	ID       [32]byte
	Client   int
	Node     int // who answered
	From, To int // accounts
	Units    uint64
	Place    Place
	Paid     bool // false: the payer had less
}

// String describes the transfer for a person who looks for what went wrong.
func (t *Transfer) String() string {
	return fmt.Sprintf("client %d sent at %s, and node %d answered at %s: %d units from account %d to %d, paid %t, at height %d, batch %d, item %d, id %x",
		t.Client, t.Sent, t.Node, t.Answered, t.Units, t.From, t.To, t.Paid, t.Place.Height, t.Place.Batch, t.Place.Item, t.ID)
}

// Read is a balance as a node told it.
type Read struct {
	Span
	Client  int
	Node    int
	Account int
	Height  uint64
	Units   uint64
}

// String describes the read.
func (r *Read) String() string {
	return fmt.Sprintf("client %d asked at %s, and node %d answered at %s: account %d has %d units at height %d",
		r.Client, r.Sent, r.Node, r.Answered, r.Account, r.Units, r.Height)
}

// History is what all clients of a run were told. It is safe for concurrent use.
type History struct {
	opening [AccountsMax]uint64
	began   time.Time

	mu        sync.Mutex // guards what follows
	transfers []*Transfer
	reads     []*Read
}

// New begins a history of accounts with these balances, AccountsMax at most; more are left out.
func New(opening []uint64) *History {
	h := &History{began: time.Now()}
	copy(h.opening[:], opening)
	return h
}

// Now is the time since the history began.
func (h *History) Now() time.Duration { return time.Since(h.began) }

// Pay records a transfer, which becomes the history's.
func (h *History) Pay(t *Transfer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.transfers = append(h.transfers, t)
}

// Look records a read, which becomes the history's.
func (h *History) Look(r *Read) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads = append(h.reads, r)
}

// Len counts what was recorded so far.
func (h *History) Len() (transfers, reads int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.transfers), len(h.reads)
}

// Transfers are those recorded so far, in the order of their answers.
func (h *History) Transfers() []*Transfer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*Transfer(nil), h.transfers...)
}
