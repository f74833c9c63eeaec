// SPDX-License-Identifier: Apache-2.0

// Package generate fills a reference ledger with accounts and payments of realistic skew: few accounts are busy, most are not,
// and amounts are small far more often than large. The same seed gives the same orders, whatever was interrupted in between.
//
// How far it is is a cursor that the ledger writes in the batch of the orders themselves, so a run that is started again with
// the same settings goes on where the last one ended, and does nothing twice.
package generate

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// Bounds of what is generated.
const (
	AccountsMax     = 100_000_000
	TransactionsMax = 1_000_000_000
	ordersTogether  = 4096
)

// skew and shift are of the distribution of accounts: ten accounts of ten thousand make about a third of the payments.
const (
	skew  = 1.1
	shift = 2
)

// openingUnits is what an account gets at first: 5 AUR, so that some later payments are refused, as in life. A billion AUR is
// enough for AccountsMax.
const openingUnits = 5_00000000

// Config says what to generate.
type Config struct {
	Accounts     uint64 // 2 to AccountsMax
	Transactions uint64 // payments between them, at most TransactionsMax
	Seed         uint64
}

// Check returns what is wrong with c, as Invalid.
func (c *Config) Check() error {
	if c.Accounts < 2 || c.Accounts > AccountsMax || c.Transactions > TransactionsMax {
		return fault.New(fault.Invalid, "accounts must be 2 to %d, transactions at most %d", AccountsMax, TransactionsMax)
	}
	return nil
}

// Progress is how far a run is.
type Progress struct {
	Done    uint64 // orders, of Config.Total, those of earlier runs included
	Refused uint64 // of this run's, for lack of funds
}

// Total is how many orders c makes.
func (c *Config) Total() uint64 { return c.Accounts + c.Transactions }

// cursor is the name under which the ledger keeps how far a run is.
func (c *Config) cursor() string {
	return fmt.Sprintf("generate/%d/%d", c.Seed, c.Accounts)
}

// Run generates what is missing, and calls tell after each step. More transactions than an earlier run of the same seed and
// accounts are added to it.
func Run(ctx context.Context, l *ledger.Ledger, c Config, tell func(Progress)) (Progress, error) {
	if err := c.Check(); err != nil {
		return Progress{}, err
	}
	p, err := found(l, &c)
	if err != nil {
		return p, err
	}
	for p.Done < c.Total() {
		tell(p)
		if p, err = step(ctx, l, &c, p); err != nil {
			return p, err
		}
	}
	tell(p)
	return p, nil
}

func found(l *ledger.Ledger, c *Config) (Progress, error) {
	text, err := l.Cursor(c.cursor())
	if fault.Is(err, fault.NotFound) {
		return Progress{}, nil
	}
	if err == nil && len(text) != 8 {
		err = fault.New(fault.Corrupt, "how far the generator was is %x", text)
	}
	if err != nil {
		return Progress{}, err
	}
	return Progress{Done: binary.BigEndian.Uint64(text)}, nil
}

// step makes the next orders and has them executed. A step that was interrupted is made again, the same.
func step(ctx context.Context, l *ledger.Ledger, c *Config, p Progress) (Progress, error) {
	orders := c.orders(p.Done)
	done := p.Done + uint64(len(orders))
	results, err := l.SubmitNoted(ctx, orders, &ledger.Note{Cursor: c.cursor(), Value: binary.BigEndian.AppendUint64(nil, done)})
	if err != nil {
		return p, err
	}
	for _, r := range results {
		switch {
		case r.Err != nil:
			return p, r.Err
		case r.Outcome == chain.InsufficientFunds:
			p.Refused++
		case r.Outcome != chain.OK:
			return p, fault.New(fault.Refused, "a generated order was refused with %s", r.Outcome)
		}
	}
	p.Done = done
	return p, nil
}

// orders are those from the n-th on, up to the end of its step. Steps begin at multiples of ordersTogether: each has a
// generator of its own.
func (c *Config) orders(n uint64) []ledger.Order {
	block := n / ordersTogether
	random := rand.New(rand.NewPCG(c.Seed, block))
	busy := rand.NewZipf(random, skew, shift, c.Accounts-1)
	end := min((block+1)*ordersTogether, c.Total())
	all := make([]ledger.Order, 0, ordersTogether)
	for i := block * ordersTogether; i < end; i++ {
		o := c.order(i, random, busy)
		if i >= n {
			all = append(all, o)
		}
	}
	return all
}

func (c *Config) order(i uint64, random *rand.Rand, busy *rand.Zipf) ledger.Order {
	o := ledger.Order{Kind: ledger.Transfer, Asset: v10.DefaultAsset}
	if i < c.Accounts {
		o.From, o.To, o.Units = ledger.Treasury, Account(i), chain.Units(openingUnits)
		return o
	}
	from, to := c.scatter(busy.Uint64()), c.scatter(busy.Uint64())
	if from == to {
		to = (to + 1) % c.Accounts
	}
	o.From, o.To = Account(from), Account(to)
	// 0.00000001 to about 5 AUR, by orders of magnitude.
	magnitude := random.Uint64N(9)
	o.Units = chain.Units(1 + random.Uint64N(pow10(magnitude)))
	return o
}

func pow10(n uint64) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// scatter spreads ranks over the numbers of accounts, each on one of its own, so that busy accounts are not neighbours.
func (c *Config) scatter(rank uint64) uint64 {
	factor := c.Accounts*3/5 + 1
	for gcd(factor, c.Accounts) != 1 {
		factor++
	}
	return rank * factor % c.Accounts
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Account is the name of the n-th account.
func Account(n uint64) string { return fmt.Sprintf("AUR%010d", n) }
