// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// survey is what a checkpoint holds, and that its parts agree.
type survey struct {
	totals totalsRow
	names  *nameTable     // in the order of V10's numbers
	assets []assetRow     // in the order of V10's numbers
	places map[string]int // of codes in assets
	held   []uint64       // balances of each asset

	accounts, balances, keys, transactions, rounds uint64
}

// take reads all but the history. It fails unless what each asset's accounts hold makes the supply that V10 says.
func take(r Rows) (*survey, error) {
	s := &survey{places: map[string]int{}}
	var err error
	if s.totals, err = readTotals(r); err != nil {
		return nil, err
	}
	if s.totals.Applied > s.totals.Transactions {
		return nil, inconsistent("of %d transactions another ledger made %d", s.totals.Transactions, s.totals.Applied)
	}
	s.transactions = s.totals.Transactions - s.totals.Applied
	for _, step := range []func(Rows) error{s.takeNames, s.takeAssets, s.takeBalances, s.takeKeys, s.takeRounds} {
		if err := step(r); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// takeNames reads the names by number: from 1, without gaps.
func (s *survey) takeNames(r Rows) error {
	s.names = newNameTable(min(s.totals.Accounts, chain.AccountsMaxMax))
	low, high := all(byNumber)
	err := r.Scan(famAccounts, low, high, func(key, name []byte) error {
		switch {
		case len(key) != 9 || binary.BigEndian.Uint64(key[1:]) != uint64(s.names.len())+1:
			return inconsistent("behind account %d comes one with another number", s.names.len())
		case keys.CheckAlias(string(name)) != nil:
			return inconsistent("account %d has a name of %d bytes", s.names.len()+1, len(name))
		case !s.names.add(name):
			return inconsistent("account %d has the name of another", s.names.len()+1)
		}
		return nil
	})
	if s.accounts = uint64(s.names.len()); err == nil && s.accounts != s.totals.Accounts {
		err = inconsistent("it counts %d accounts and has %d", s.totals.Accounts, s.accounts)
	}
	return err
}

func (s *survey) takeAssets(r Rows) error {
	low, high := all(byName)
	err := r.Scan(famAssets, low, high, func(key, value []byte) error {
		a := assetRow{Code: string(key[1:])}
		if err := readRow(value, famAssets, &a); err != nil {
			return err
		}
		if _, ok := s.names.find([]byte(a.Issuer)); !ok {
			return inconsistent("the issuer of asset %s is no account", a.Code)
		}
		s.assets = append(s.assets, a)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(s.assets, func(a, b assetRow) int {
		if a.Number != b.Number {
			return int(int64(a.Number - b.Number))
		}
		return strings.Compare(a.Code, b.Code)
	})
	for i := range s.assets {
		s.places[s.assets[i].Code] = i
	}
	if uint64(len(s.assets)) != s.totals.Assets {
		return inconsistent("it counts %d assets and has %d", s.totals.Assets, len(s.assets))
	}
	s.held = make([]uint64, len(s.assets))
	return nil
}

// balance is what an account holds: its place, that of the asset, and the amount, which is not 0.
type balance struct {
	account, asset int
	units          chain.Amount
}

// scanBalances calls each for every balance, in the order of the rows.
func (s *survey) scanBalances(r Rows, each func(*balance) error) error {
	low, high := all(byHolder)
	var code []byte
	asset := -1
	return r.Scan(famAssets, low, high, func(key, value []byte) error {
		c, name, ok := holder(key)
		if !ok {
			return unreadable(famAssets)
		}
		if asset < 0 || !bytes.Equal(c, code) {
			place, known := s.places[string(c)]
			if !known {
				return inconsistent("an account holds an asset %.40q that is not there", c)
			}
			asset, code = place, append(code[:0], c...)
		}
		amount, err := parseUnits(value)
		if err != nil {
			return unreadable(famAssets)
		}
		if amount.IsZero() {
			return nil
		}
		account, known := s.names.find(name)
		if !known {
			return inconsistent("somebody who is no account holds asset %s", code)
		}
		return each(&balance{account, asset, amount})
	})
}

// takeBalances adds the balances up, and compares the sums with the supplies.
func (s *survey) takeBalances(r Rows) error {
	sums := make([]chain.Amount, len(s.assets))
	err := s.scanBalances(r, func(b *balance) error {
		sum, ok := sums[b.asset].Add(b.units)
		if !ok {
			return inconsistent("the balances of asset %s pass 128 bits", s.assets[b.asset].Code)
		}
		sums[b.asset] = sum
		s.held[b.asset]++
		s.balances++
		return nil
	})
	if err != nil {
		return err
	}
	for i, a := range s.assets {
		if sums[i] != a.Supply.Amount {
			return fault.Reasoned(fault.Refused, ReasonSums, "V10's accounts hold %s of asset %s, and V10 says that there are %s: find out why before it is copied",
				sums[i], a.Code, a.Supply)
		}
	}
	return nil
}

// livingKey is an idempotency key of V10's that lives, and its answer.
type livingKey = keyRow

// scanKeys calls each for the keys that live, the oldest first. A key that was used anew has two ages, of which the older is over.
func (s *survey) scanKeys(r Rows, each func(*livingKey) error) error {
	low, high := all(byAge)
	return r.Scan(famMeta, low, high, func(key, _ []byte) error {
		if len(key) != 1+8+8+32 {
			return unreadable(famMeta)
		}
		ms, round := binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint64(key[9:])
		if ms+keyLifeMs < s.totals.Ms {
			return nil
		}
		text, err := r.Get(famMeta, append([]byte{byKey}, key[17:]...))
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		var k livingKey
		if err := readRow(text, famMeta, &k); err != nil {
			return err
		}
		if k.Ms != ms || k.Round != round || k.Outcome == chain.NotHome || k.Outcome == chain.Duplicate || !k.Outcome.Known() {
			return nil
		}
		return each(&k)
	})
}

func (s *survey) takeKeys(r Rows) error {
	return s.scanKeys(r, func(*livingKey) error { s.keys++; return nil })
}

func (s *survey) takeRounds(r Rows) error {
	low, high := all(byRound)
	return r.Scan(famConsensus, low, high, func([]byte, []byte) error { s.rounds++; return nil })
}

// denseHoldersMin and denseMax say which assets get an array by account number here: those that many accounts hold, and a good part of all.
const (
	denseHoldersMin = 1 << 16
	denseMax        = 8
)

// dense reports whether an asset is held by so many that an array is smaller than a table.
func (s *survey) dense(asset int) bool {
	if s.held[asset] < denseHoldersMin || 4*s.held[asset] < s.accounts {
		return false
	}
	before := 0
	for i := range asset {
		if s.held[i] >= denseHoldersMin && 4*s.held[i] >= s.accounts {
			before++
		}
	}
	return before < denseMax
}
