// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// scannedMax bounds how many transactions a query looks at for its filter. A query that reaches it returns what it found
// and where to go on.
const scannedMax = 20_000

// Query asks for transactions, newest first.
type Query struct {
	Account string    // of this account, on either side; empty: of all
	Kind    Kind      // of this kind; empty: of all
	Refused *bool     // nil: both
	SinceMs uint64    // of rounds at or after this time
	Before  *v10.TxID // older than this one
	Limit   int       // 1 to ListMax
}

// Transactions answers a query. next is where the following one goes on, nil if there are no more.
func (l *Ledger) Transactions(q Query) (found []Transaction, next *v10.TxID, err error) {
	other := false // who made the one of the cursor
	if q.Before != nil && l.Totals().Applied > 0 {
		if other, err = l.made(*q.Before); err != nil {
			return nil, nil, err
		}
	}
	own, err := l.rangeOf(&q, other)
	if err != nil {
		return nil, nil, err
	}
	scanned := 0
	err = l.walkBoth(own, l.appliedRange(&q, other), func(t *Transaction) bool {
		scanned++
		if q.wants(t) {
			found = append(found, *t)
		}
		if len(found) == q.Limit || scanned == scannedMax {
			next = &v10.TxID{}
			*next = t.ID
			return false
		}
		return true
	})
	return found, next, err
}

// rangeOf is where this ledger's answers lie: among an account's transactions, or all. other: the cursor is one of the other ledger's.
func (l *Ledger) rangeOf(q *Query, other bool) (store.Range, error) {
	if q.Limit < 1 || q.Limit > ListMax {
		return store.Range{}, fault.New(fault.Invalid, "limit must be 1 to %d", ListMax)
	}
	prefix := []byte{byPlace}
	if q.Account != "" {
		prefix = within(byParty, q.Account)
	}
	r := store.Prefix(prefix).Backward()
	if q.SinceMs > 0 {
		first, err := l.roundSince(q.SinceMs)
		if err != nil {
			return r, err
		}
		r.Low = appendPlace(append([]byte(nil), prefix...), first, 0)
	}
	switch {
	case q.Before == nil:
	case other: // of one time, the other ledger's come before this one's, newest first
		after, err := l.roundSince(q.Before.Ms + 1)
		if err != nil {
			return r, err
		}
		r.High = appendPlace(append([]byte(nil), prefix...), after, 0)
	default:
		r.High = appendPlace(append([]byte(nil), prefix...), uint64(q.Before.Height), q.Before.Place())
	}
	return r, nil
}

func (q *Query) wants(t *Transaction) bool {
	return (q.Kind == "" || q.Kind == t.Kind) && (q.Refused == nil || *q.Refused == (t.Outcome != chain.OK))
}

// transactionAt reads the transaction under an iterator: its row, or a party's key.
func (l *Ledger) transactionAt(f store.Family, key, value []byte) (Transaction, error) {
	round, place, ok := placeOf(key)
	if !ok {
		return Transaction{}, fault.New(fault.Corrupt, "key %x of %s has no place", key, f)
	}
	var t Transaction
	var err error
	if key[0] == byPlace {
		err = decodeRow(f, key, value, &t)
	} else {
		err = readRow(l.store, f, appendPlace([]byte{byPlace}, round, place), &t)
	}
	t.ID = v10.TxIDAt(t.Ms, chain.Height(round), place)
	return t, err
}

// InRound returns the transactions of a round in order, from a place on, of one kind unless that is empty. At most limit; next is the
// place of the following one, 0 if there are no more.
func (l *Ledger) InRound(number uint64, from uint32, limit int, kind Kind) (found []Transaction, next uint32, err error) {
	r := store.Range{Low: appendPlace([]byte{byPlace}, number, from), High: appendPlace([]byte{byPlace}, number+1, 0)}
	err = l.walk(store.Transactions, r, func(key, value []byte) (bool, error) {
		t, err := l.transactionAt(store.Transactions, key, value)
		if err != nil {
			return false, err
		}
		if len(found) == limit {
			next = t.ID.Place()
			return false, nil
		}
		if kind == "" || kind == t.Kind {
			found = append(found, t)
		}
		return true, nil
	})
	return found, next, err
}
