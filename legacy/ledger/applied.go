// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"errors"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// appliedKeyBytes is the end of a key that appliedKeyOf or a party's key has.
const appliedKeyBytes = 20

// appliedTx returns a transaction of the other ledger by its id, or NotFound.
func (l *Ledger) appliedTx(id v10.TxID) (Transaction, error) {
	var t Transaction
	err := l.read(store.Transactions, appliedKeyOf(byApplied, id), &t, v10.TextNoTransaction)
	t.ID, t.Other = id, true
	return t, err
}

// RoundOf returns the round that a transaction lies in; that of the other ledger's is its block. Until that has come only number and time
// are known of it.
func (l *Ledger) RoundOf(t *Transaction) (Round, error) {
	number := uint64(t.ID.Height)
	if !t.Other {
		return l.Round(number)
	}
	r, err := l.AppliedBlock(number)
	if fault.Is(err, fault.NotFound) {
		return Round{Number: number, Ms: t.Ms}, nil
	}
	return r, err
}

// AppliedBlock returns a block of the other ledger, or NotFound. Its votes are the numbers of its signers.
func (l *Ledger) AppliedBlock(height uint64) (Round, error) {
	r := Round{Number: height}
	err := l.read(store.Consensus, numbered(byAppliedBlock, height), &r, v10.TextNoBlock)
	return r, err
}

// AppliedHeight is the newest block of the other ledger of which everything is applied, 0 if there is none.
func (l *Ledger) AppliedHeight() (uint64, error) {
	key, err := lastKey(l.store, store.Consensus, byAppliedBlock)
	if err != nil || len(key) == 0 {
		return 0, err
	}
	if len(key) != 1+8 {
		return 0, fault.New(fault.Corrupt, "key %x of consensus has no height", key)
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

// made reports whether the other ledger made a transaction of this id, and this one did not.
func (l *Ledger) made(id v10.TxID) (other bool, err error) {
	if _, err := l.ownTx(id); !fault.Is(err, fault.NotFound) {
		return false, err
	}
	_, err = l.appliedTx(id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// appliedRange is where the other ledger's answers to a query lie, as rangeOf is for this one's.
func (l *Ledger) appliedRange(q *Query, before bool) store.Range {
	prefix := []byte{byApplied}
	if q.Account != "" {
		prefix = within(byAppliedParty, q.Account)
	}
	r := store.Prefix(prefix).Backward()
	if q.SinceMs > 0 {
		r.Low = binary.BigEndian.AppendUint64(append([]byte(nil), prefix...), q.SinceMs)
	}
	switch {
	case q.Before == nil:
	case before: // the cursor is one of the other ledger's
		r.High = appendID(append([]byte(nil), prefix...), *q.Before)
	default: // of one time, the other ledger's come before this one's, newest first
		r.High = binary.BigEndian.AppendUint64(append([]byte(nil), prefix...), q.Before.Ms)
	}
	return r
}

// stream is one ledger's transactions, newest first.
type stream struct {
	it   store.Iterator
	read func(key, value []byte) (Transaction, error)
	top  Transaction
	some bool
}

func (s *stream) next() (err error) {
	if s.some = s.it.Next(); s.some {
		s.top, err = s.read(s.it.Key(), s.it.Value())
		return err
	}
	return s.it.Err()
}

// walkBoth calls each for the transactions of both ledgers, newest first, until it returns false.
func (l *Ledger) walkBoth(own, other store.Range, each func(*Transaction) bool) (err error) {
	streams := make([]*stream, 0, 2)
	defer func() {
		for _, s := range streams {
			err = errors.Join(err, s.it.Close())
		}
	}()
	for _, part := range []struct {
		r    store.Range
		read func(key, value []byte) (Transaction, error)
	}{
		{own, func(k, v []byte) (Transaction, error) { return l.transactionAt(store.Transactions, k, v) }},
		{other, l.appliedAt},
	} {
		it, err := l.store.Iter(store.Transactions, part.r)
		if err != nil {
			return err
		}
		s := &stream{it: it, read: part.read}
		streams = append(streams, s)
		if err := s.next(); err != nil {
			return err
		}
	}
	for {
		s := newest(streams[0], streams[1])
		if !s.some || !each(&s.top) {
			return nil
		}
		if err := s.next(); err != nil {
			return err
		}
	}
}

func newest(own, other *stream) *stream {
	if !other.some || own.some && own.top.Ms > other.top.Ms {
		return own
	}
	return other
}

// appliedAt reads the transaction under an iterator, as transactionAt does.
func (l *Ledger) appliedAt(key, value []byte) (Transaction, error) {
	if len(key) <= appliedKeyBytes {
		return Transaction{}, fault.New(fault.Corrupt, "key %x of transactions has no id", key)
	}
	ms := binary.BigEndian.Uint64(key[len(key)-appliedKeyBytes:])
	height, place, _ := placeOf(key)
	id := v10.TxIDAt(ms, chain.Height(height), place)
	if key[0] == byAppliedParty {
		return l.appliedTx(id)
	}
	t := Transaction{}
	err := decodeRow(store.Transactions, key, value, &t)
	t.ID, t.Other = id, true
	return t, err
}
