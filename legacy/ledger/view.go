// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// view is the store with the rows of a round in the making over it. Rows are written in the order in which they were first
// touched, so that a round's batch does not depend on a map.
type view struct {
	base  store.Reader
	known *rowCache     // rows of base
	rows  map[place]int // where in order
	order []row
}

type place struct {
	family store.Family
	key    string
}

type row struct {
	place
	value []byte // nil: deleted
}

func newView(base store.Reader) *view { return newViewOver(base, newRowCache(rowsCachedMax)) }

func newViewOver(base store.Reader, known *rowCache) *view {
	return &view{base: base, known: known, rows: map[place]int{}}
}

// get returns a row, which nobody changes.
func (v *view) get(f store.Family, key []byte) ([]byte, error) {
	at := place{f, string(key)}
	i, ok := v.rows[at]
	if !ok {
		return v.fromBase(at, key)
	}
	if v.order[i].value == nil {
		return nil, store.ErrNoRow
	}
	return v.order[i].value, nil
}

func (v *view) fromBase(at place, key []byte) ([]byte, error) {
	if value, ok := v.known.get(at); ok {
		return value, nil
	}
	value, err := v.base.Get(at.family, key)
	if err == nil {
		v.known.put(at, value)
	}
	return value, err
}

func (v *view) put(f store.Family, key, value []byte) { v.set(place{f, string(key)}, value) }

func (v *view) delete(f store.Family, key []byte) { v.set(place{f, string(key)}, nil) }

func (v *view) set(at place, value []byte) {
	if i, ok := v.rows[at]; ok {
		v.order[i].value = value
		return
	}
	v.rows[at] = len(v.order)
	v.order = append(v.order, row{at, value})
}

// fill adds the rows to a batch.
func (v *view) fill(b *store.Batch) {
	for _, r := range v.order {
		if r.value == nil {
			b.Delete(r.family, []byte(r.key))
		} else {
			b.Put(r.family, []byte(r.key), r.value)
		}
	}
}

// read reads a JSON row.
func (v *view) read(f store.Family, key []byte, row any) error {
	text, err := v.get(f, key)
	if err != nil {
		return err
	}
	return decodeRow(f, key, text, row)
}

// has reports whether there is a row.
func (v *view) has(f store.Family, key []byte) (bool, error) {
	_, err := v.get(f, key)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// balance returns what an account holds of an asset, and whether it ever held any.
func (v *view) balance(name, code string) (chain.Amount, bool, error) {
	key := append(within(byHolder, code), name...)
	text, err := v.get(store.Assets, key)
	if fault.Is(err, fault.NotFound) {
		return chain.Amount{}, false, nil
	}
	if err != nil {
		return chain.Amount{}, false, err
	}
	a, err := parseUnits(key, text)
	return a, true, err
}

func parseUnits(key, text []byte) (chain.Amount, error) {
	a, err := chain.ParseAmount(string(text), 0)
	return a, fault.Wrap(fault.Corrupt, err, "row %x of assets", key)
}

// setBalance writes a balance; the first one is noted with the account.
func (v *view) setBalance(name, code string, a chain.Amount, held bool) {
	v.put(store.Assets, append(within(byHolder, code), name...), []byte(a.String()))
	if !held {
		v.put(store.Accounts, append(within(byHolder, name), code...), []byte{})
	}
}
