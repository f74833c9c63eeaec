// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"fmt"
	"sync"
	"time"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Book holds every payment that a client was told of, and what the two ledgers themselves say that they did. It is safe for concurrent
// use.
type Book struct {
	mu      sync.Mutex // guards what follows
	payment [sides]map[v10.TxID]entry
	acked   [sides]int
}

// entry is a payment by its id.
type entry struct {
	Payment
	at      time.Duration // of the answer, since the run began
	seen    [sides]uint16
	acked   bool
	altered bool
}

// NewBook makes an empty one.
func NewBook() *Book {
	b := &Book{}
	for s := range b.payment {
		b.payment[s] = map[v10.TxID]entry{}
	}
	return b
}

// Ack notes that a ledger answered that it made a payment.
func (b *Book) Ack(origin Side, id v10.TxID, p Payment, at time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, there := b.payment[origin][id]
	e.altered = e.altered || there // one id for two payments
	if !e.acked {
		b.acked[origin]++
	}
	e.Payment, e.acked, e.at = p, true, at
	b.payment[origin][id] = e
}

// Saw notes a payment of origin as the ledger on has it.
func (b *Book) Saw(origin, on Side, id v10.TxID, p Payment) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, there := b.payment[origin][id]
	if !there {
		e.Payment = p
	}
	e.seen[on]++
	e.altered = e.altered || e.Payment != p
	b.payment[origin][id] = e
}

// Acked is how many payments of a side were answered.
func (b *Book) Acked(origin Side) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acked[origin]
}

// latencies are the times from a payment's answer, within begin to end, to when it was on the other side, of all of which when knows that.
func (b *Book) latencies(origin Side, begin, end time.Duration, when func(v10.TxID) (time.Duration, bool)) (out []time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, e := range b.payment[origin] {
		if at, known := when(id); e.acked && known && e.at >= begin && e.at < end {
			out = append(out, max(0, at-e.at))
		}
	}
	return out
}

// Verdict says how the ledgers differ from what clients were told, and from each other.
type Verdict struct {
	Acked      int `json:"acked"`
	Lost       int `json:"lost"`       // answered, and not on both ledgers
	Duplicated int `json:"duplicated"` // times that a payment is on a ledger beyond the first
	Altered    int `json:"altered"`    // not the same parties and amount everywhere
	OneSided   int `json:"one_sided"`  // never answered, and on one of the ledgers only
	Unanswered int `json:"unanswered"` // never answered, and on both
	// Examples are the first payments that are not right, with what is wrong.
	Examples []string `json:"examples,omitempty"`
}

const examplesMax = 10

// Right reports whether every payment is on both ledgers once, as it was asked for.
func (v *Verdict) Right() bool { return v.Lost+v.Duplicated+v.Altered+v.OneSided == 0 }

// Verdict compares all.
func (b *Book) Verdict() (v Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for origin := range b.payment {
		for id, e := range b.payment[origin] {
			v.add(Side(origin), id, e)
		}
	}
	return v
}

func (v *Verdict) add(origin Side, id v10.TxID, e entry) {
	wrong := ""
	note := func(n *int, by int, what string) { *n, wrong = *n+by, wrong+" "+what }
	whole := e.seen[V10] > 0 && e.seen[V11] > 0
	if e.acked {
		v.Acked++
	}
	switch {
	case e.acked && !whole:
		note(&v.Lost, 1, "lost")
	case !e.acked && !whole:
		note(&v.OneSided, 1, "one-sided")
	case !e.acked:
		v.Unanswered++
	}
	for _, n := range e.seen {
		if n > 1 {
			note(&v.Duplicated, int(n)-1, "duplicated")
		}
	}
	if e.altered {
		note(&v.Altered, 1, "altered")
	}
	if wrong != "" && len(v.Examples) < examplesMax {
		v.Examples = append(v.Examples, fmt.Sprintf("%s of %s:%s (on v10 %d times, on v11 %d times)", id, origin, wrong, e.seen[V10], e.seen[V11]))
	}
}

// moved is by how much each account's balance changed, in smallest units, by all payments that their own ledger made.
func (b *Book) moved(accounts int) []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]int64, accounts)
	for origin := range b.payment {
		for _, e := range b.payment[origin] {
			if e.seen[origin] > 0 {
				out[e.From] -= int64(e.Units)
				out[e.To] += int64(e.Units)
			}
		}
	}
	return out
}
