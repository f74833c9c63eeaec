// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"errors"
	"slices"
	"sort"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// Bounds of reads.
const (
	ListMax           = 1000      // of what one list returns
	HoldersScannedMax = 2_000_000 // of the holders that Holders looks at
)

// Balance is what an account holds of an asset.
type Balance struct {
	Account string
	Asset   string
	Units   chain.Amount
}

// Account returns an account, or NotFound.
func (l *Ledger) Account(name string) (Account, error) {
	a := Account{Name: name}
	err := l.read(store.Accounts, named(byName, name), &a, v10.TextNoAccount)
	a.Created = v10.Time(a.Ms)
	return a, err
}

// Asset returns an asset, or NotFound.
func (l *Ledger) Asset(code string) (Asset, error) {
	a := Asset{Code: code}
	err := l.read(store.Assets, named(byName, code), &a, v10.TextNoAsset)
	return a, err
}

// Scale returns the decimals of an asset, which never change, or NotFound.
func (l *Ledger) Scale(code string) (uint8, error) {
	if scale, known := l.scales.Load(code); known {
		return scale.(uint8), nil
	}
	a, err := l.Asset(code)
	if err == nil {
		l.scales.Store(code, a.Scale)
	}
	return a.Scale, err
}

// Round returns a round, or NotFound.
func (l *Ledger) Round(number uint64) (Round, error) {
	r := Round{Number: number}
	err := l.read(store.Consensus, numbered(byRound, number), &r, v10.TextNoBlock)
	return r, err
}

// RoundByHash returns the round with a block hash, or NotFound.
func (l *Ledger) RoundByHash(h Hash) (Round, error) {
	at, err := l.store.Get(store.Consensus, append([]byte{byHash}, h[:]...))
	if err != nil {
		return Round{}, notFound(err, v10.TextNoBlock)
	}
	if len(at) != 8 {
		return Round{}, fault.New(fault.Corrupt, "block hash %s leads to %x", h, at)
	}
	return l.Round(binary.BigEndian.Uint64(at))
}

// Transaction returns a transaction by its id, or NotFound. One that this ledger made comes before one that the other made.
func (l *Ledger) Transaction(id v10.TxID) (Transaction, error) {
	t, err := l.ownTx(id)
	if !fault.Is(err, fault.NotFound) || l.Totals().Applied == 0 {
		return t, err
	}
	return l.appliedTx(id)
}

// ownTx is NotFound also where the id's time is not that of its round.
func (l *Ledger) ownTx(id v10.TxID) (Transaction, error) {
	t := Transaction{ID: id}
	err := l.read(store.Transactions, txKey(id), &t, v10.TextNoTransaction)
	if err == nil && t.Ms != id.Ms {
		err = fault.New(fault.NotFound, v10.TextNoTransaction)
	}
	return t, err
}

func (l *Ledger) read(f store.Family, key []byte, row any, missing string) error {
	return notFound(readRow(l.store, f, key, row), missing)
}

func notFound(err error, missing string) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "%s", missing)
	}
	return err
}

// Cursor returns what the last submission with a note set it to, or NotFound.
func (l *Ledger) Cursor(name string) ([]byte, error) {
	return l.store.Get(store.Meta, named(byCursor, name))
}

// walk calls each for the rows of a range until it returns false.
func (l *Ledger) walk(f store.Family, r store.Range, each func(key, value []byte) (bool, error)) error {
	it, err := l.store.Iter(f, r)
	if err != nil {
		return err
	}
	for it.Next() {
		more, err := each(it.Key(), it.Value())
		if err != nil || !more {
			return errors.Join(err, it.Close())
		}
	}
	return errors.Join(it.Err(), it.Close())
}

// Balances returns what an account holds, by code; zeros are left out. At most ListMax.
func (l *Ledger) Balances(name string) ([]Balance, error) {
	prefix, v := within(byHolder, name), newView(l.store)
	var all []Balance
	err := l.walk(store.Accounts, store.Prefix(prefix), func(key, _ []byte) (bool, error) {
		b := Balance{Account: name, Asset: string(key[len(prefix):])}
		var err error
		if b.Units, _, err = v.balance(name, b.Asset); err == nil && !b.Units.IsZero() {
			all = append(all, b)
		}
		return len(all) < ListMax, err
	})
	return all, err
}

// Balance returns what an account holds of one asset; both may be unknown, and then it is nothing.
func (l *Ledger) Balance(name, code string) (chain.Amount, error) {
	a, _, err := newView(l.store).balance(name, code)
	return a, err
}

// Holders returns who holds most of an asset, the largest first; equal ones by name. At most limit. Refused: the asset has
// more than HoldersScannedMax.
func (l *Ledger) Holders(code string, limit int) ([]Balance, error) {
	prefix := within(byHolder, code)
	var largest []Balance // sorted, at most limit
	scanned := 0
	err := l.walk(store.Assets, store.Prefix(prefix), func(key, value []byte) (bool, error) {
		if scanned++; scanned > HoldersScannedMax {
			return false, fault.Reasoned(fault.Refused, "too_many_holders", "%s has more than %d holders", code, HoldersScannedMax)
		}
		units, err := parseUnits(key, value)
		if err == nil && !units.IsZero() {
			largest = insert(largest, Balance{string(key[len(prefix):]), code, units}, limit)
		}
		return true, err
	})
	return largest, err
}

// insert keeps the largest; those of equal size come by name, which is the order in which they are inserted.
func insert(sorted []Balance, b Balance, limit int) []Balance {
	at := sort.Search(len(sorted), func(i int) bool { return sorted[i].Units.Less(b.Units) })
	if at == limit {
		return sorted
	}
	sorted = slices.Insert(sorted, at, b)
	return sorted[:min(len(sorted), limit)]
}

// Assets returns assets by number, from above after. At most limit.
func (l *Ledger) Assets(after uint64, limit int) ([]Asset, error) {
	var all []Asset
	err := l.walk(store.Assets, above(byNumber, after), func(_, code []byte) (bool, error) {
		a, err := l.Asset(string(code))
		all = append(all, a)
		return len(all) < limit, err
	})
	return all, err
}

// Accounts returns accounts by number, from above after. At most limit.
func (l *Ledger) Accounts(after uint64, limit int) ([]Account, error) {
	var all []Account
	err := l.walk(store.Accounts, above(byNumber, after), func(_, name []byte) (bool, error) {
		a, err := l.Account(string(name))
		all = append(all, a)
		return len(all) < limit, err
	})
	return all, err
}

func above(kind byte, n uint64) store.Range {
	r := store.Prefix([]byte{kind})
	r.Low = numbered(kind, n+1)
	return r
}

// Rounds returns rounds, newest first, from below before (0: from the newest). At most limit.
func (l *Ledger) Rounds(before uint64, limit int) ([]Round, error) {
	next := l.Totals().Round + 1
	if before > 0 {
		next = min(next, before)
	}
	all := make([]Round, 0, min(uint64(limit), next))
	for ; next > 0 && len(all) < limit; next-- {
		r, err := l.Round(next - 1)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// roundSince is the first round at or after a time: rounds have no gaps and their times never fall.
func (l *Ledger) roundSince(ms uint64) (uint64, error) {
	low, high := uint64(0), l.Totals().Round+1
	for low < high {
		middle := low + (high-low)/2
		r, err := l.Round(middle)
		if err != nil {
			return 0, err
		}
		if r.Ms < ms {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}
