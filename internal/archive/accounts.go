// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Rows is a restored checkpoint of V10.
type Rows interface {
	// Get returns a row, or NotFound.
	Get(family string, key []byte) ([]byte, error)
	// Scan calls each for the rows with low <= key < high, ascending, until each has an error.
	Scan(family string, low, high []byte, each func(key, value []byte) error) error
}

// Balances says what an account of a running V10 holds: decimal text by the asset's code. NotFound: it does not know the account.
type Balances func(ctx context.Context, account string) (map[string]string, error)

// AccountsConfig says how a restored checkpoint is looked at.
type AccountsConfig struct {
	// Balances of SamplePercent of the accounts, at least one, are compared with it; nil: none are. Which, follows from Seed.
	Balances      Balances
	SamplePercent float64
	Seed          uint64
}

// AccountsReport is what a restored checkpoint holds. Accounts are named by their numbers: names are nobody else's business.
type AccountsReport struct {
	OK           bool     `json:"ok"` // sums are right, and nothing differs
	Accounts     uint64   `json:"accounts"`
	Transactions uint64   `json:"transactions"`
	Assets       int      `json:"assets"`
	WrongSums    []string `json:"wrong_sums"` // codes of assets whose balances are not what was issued
	Compared     int      `json:"compared"`   // accounts, with a running V10
	Differ       []uint64 `json:"differ"`     // of them
}

type assetRow struct {
	Scale  uint8  `json:"scale"`
	Supply string `json:"supply"`
}

// Accounts opens the books of a restored checkpoint: for each asset the balances must be what was issued, and those of a sample of accounts
// what a running V10 says. That must not take payments any more, or they differ by what was paid.
func Accounts(ctx context.Context, rows Rows, cfg AccountsConfig) (*AccountsReport, error) {
	r := &AccountsReport{WrongSums: []string{}, Differ: []uint64{}}
	text, err := rows.Get("meta", []byte("totals"))
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "read what V10 counts: is this a checkpoint of V10?")
	}
	if err := readRow(text, r); err != nil {
		return nil, err
	}
	assets := map[string]assetRow{}
	err = rows.Scan("assets", []byte{'a'}, []byte{'a' + 1}, func(key, value []byte) error {
		var a assetRow
		err := readRow(value, &a)
		assets[string(key[1:])] = a
		return err
	})
	if err == nil {
		r.Assets = len(assets)
		err = r.sums(ctx, rows, assets)
	}
	if err == nil && cfg.Balances != nil {
		err = r.compare(ctx, rows, assets, cfg)
	}
	r.OK = len(r.WrongSums) == 0 && len(r.Differ) == 0
	return r, err
}

func readRow(value []byte, into any) error {
	return fault.Wrap(fault.Corrupt, json.Unmarshal(value, into), "read a row of V10")
}

// sums compares each asset's balances with its supply.
func (r *AccountsReport) sums(ctx context.Context, rows Rows, assets map[string]assetRow) error {
	sums := map[string]chain.Amount{}
	err := rows.Scan("assets", []byte{'h'}, []byte{'h' + 1}, func(key, value []byte) error {
		code, _, ok := cutName(key[1:])
		units, err := chain.ParseAmount(string(value), 0)
		if !ok || err != nil {
			return fault.Wrap(fault.Corrupt, err, "a balance of V10 does not read as one")
		}
		sum, ok := sums[code].Add(units)
		if !ok {
			return fault.New(fault.Corrupt, "the balances of %s have more than 128 bits", code)
		}
		sums[code] = sum
		return ctx.Err()
	})
	for code, a := range assets {
		supply, parseErr := chain.ParseAmount(a.Supply, 0)
		if parseErr != nil || supply != sums[code] {
			r.WrongSums = append(r.WrongSums, code)
		}
		delete(sums, code)
	}
	for code, sum := range sums {
		if !sum.IsZero() { // of an asset that there is not
			r.WrongSums = append(r.WrongSums, code)
		}
	}
	slices.Sort(r.WrongSums)
	return err
}

// compare compares a sample of the accounts.
func (r *AccountsReport) compare(ctx context.Context, rows Rows, assets map[string]assetRow, cfg AccountsConfig) error {
	want := max(1, uint64(float64(r.Accounts)*cfg.SamplePercent/100+0.5))
	left, chance := r.Accounts, rand.New(rand.NewPCG(cfg.Seed, 1))
	err := rows.Scan("accounts", []byte{'a'}, []byte{'a' + 1}, func(key, value []byte) error {
		if left == 0 {
			return fault.New(fault.Corrupt, "V10 counts %d accounts, and the checkpoint has more", r.Accounts)
		}
		take := chance.Uint64N(left) < want // each choice of so many is as likely as any other
		left--
		if !take {
			return nil
		}
		want--
		var row struct {
			Number uint64 `json:"number"`
		}
		if err := readRow(value, &row); err != nil {
			return err
		}
		same, err := sameBalances(ctx, rows, assets, string(key[1:]), cfg.Balances)
		if err != nil {
			return fault.Wrap(fault.KindOf(err), err, "compare account number %d", row.Number)
		}
		r.Compared++
		if !same {
			r.Differ = append(r.Differ, row.Number)
		}
		return nil
	})
	if err == nil && left > 0 {
		err = fault.New(fault.Corrupt, "V10 counts %d accounts, and the checkpoint has %d", r.Accounts, r.Accounts-left)
	}
	return err
}

// sameBalances reports whether an account holds what the running V10 says.
func sameBalances(ctx context.Context, rows Rows, assets map[string]assetRow, name string, balances Balances) (bool, error) {
	says, err := balances(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	running := map[string]chain.Amount{}
	for code, text := range says {
		units, err := chain.ParseAmount(text, assets[code].Scale)
		if err != nil {
			return false, fault.Wrap(fault.Unavailable, err, "V10 says an amount that is none")
		}
		running[code] = units
	}
	same, holder := true, withLength('h', name)
	err = rows.Scan("accounts", []byte(holder), []byte(holder+"\xff"), func(key, _ []byte) error {
		code := strings.TrimPrefix(string(key), holder)
		text, err := rows.Get("assets", []byte(withLength('h', code)+name))
		if err != nil {
			return err
		}
		units, err := chain.ParseAmount(string(text), 0)
		same = same && running[code] == units
		delete(running, code)
		return fault.Wrap(fault.Corrupt, err, "a balance of V10 does not read as one")
	})
	for _, units := range running {
		same = same && units.IsZero()
	}
	return same, err
}

// withLength begins a key of V10's: its kind, and a name behind its length.
func withLength(kind byte, name string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(name)))) + name
}

// cutName reads a name behind its length.
func cutName(key []byte) (name string, rest []byte, ok bool) {
	if len(key) < 2 || len(key) < 2+int(binary.BigEndian.Uint16(key)) {
		return "", nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(key))
	return string(key[2:n]), key[n:], true
}
