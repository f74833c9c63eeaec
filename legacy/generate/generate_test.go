// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/store/pebble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// with runs work over a ledger in dir.
func with(t *testing.T, dir string, work func(*ledger.Ledger)) {
	t.Helper()
	s, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(s, ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()
	work(l)
	stop()
	if err := errors.Join(<-ran, s.Close()); err != nil {
		t.Fatal(err)
	}
}

func balances(t *testing.T, l *ledger.Ledger, n uint64) []string {
	t.Helper()
	var all []string
	for i := range n {
		a, err := l.Balance(Account(i), "AUR")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a.String())
	}
	return all
}

// TestResume interrupts one run again and again, and compares it with another that was not, and that was then made longer.
func TestResume(t *testing.T) {
	c := Config{Accounts: 500, Transactions: 20_000, Seed: 7}
	var whole, parts []string
	with(t, t.TempDir(), func(l *ledger.Ledger) {
		short := c
		short.Transactions = 1234
		if _, err := Run(context.Background(), l, short, func(Progress) {}); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(context.Background(), l, c, func(Progress) {}); err != nil {
			t.Fatal(err)
		}
		whole = balances(t, l, c.Accounts)
		if got := l.Totals(); got.Transactions != 3+c.Total() || got.Accounts != 1+c.Accounts {
			t.Errorf("%+v", got)
		}
	})
	dir, runs := t.TempDir(), 0
	for done := false; !done; runs++ {
		with(t, dir, func(l *ledger.Ledger) {
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			steps := 0
			p, err := Run(ctx, l, c, func(Progress) {
				if steps++; steps == 3 {
					stop()
				}
			})
			done = err == nil && p.Done == c.Total()
			if err != nil && !fault.Is(err, fault.Timeout) {
				t.Fatal(err)
			}
			if done {
				parts = balances(t, l, c.Accounts)
				if got := l.Totals(); got.Transactions != 3+c.Total() {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	if runs < 2 || !slices.Equal(whole, parts) {
		t.Errorf("after %d runs other balances than after one", runs)
	}
}

// TestSkew counts who pays: few are busy, and nobody is left out for good.
func TestSkew(t *testing.T) {
	c := Config{Accounts: 10_000, Transactions: 100_000, Seed: 1}
	paid := map[string]int{}
	for n := c.Accounts; n < c.Total(); {
		orders := c.orders(n)
		n += uint64(len(orders))
		for _, o := range orders {
			if err := o.Check(); err != nil {
				t.Fatal(err)
			}
			paid[o.From]++
		}
	}
	var counts []int
	for _, n := range paid {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	busiest := 0
	for _, n := range counts[max(0, len(counts)-10):] {
		busiest += n
	}
	if share := float64(busiest) / float64(c.Transactions); share < 0.2 || share > 0.6 {
		t.Errorf("ten accounts of ten thousand make %.2f of the payments", share)
	}
	if len(paid) < 2000 {
		t.Errorf("%d accounts pay", len(paid))
	}
	places := map[uint64]bool{}
	for rank := range c.Accounts {
		places[c.scatter(rank)] = true
	}
	if uint64(len(places)) != c.Accounts {
		t.Errorf("%d accounts of %d can ever be drawn", len(places), c.Accounts)
	}
	if first, again := fmt.Sprint(c.orders(c.Accounts)), fmt.Sprint(c.orders(c.Accounts)); first != again {
		t.Error("the same seed gives other orders")
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []Config{{Accounts: 1}, {Accounts: AccountsMax + 1}, {Accounts: 2, Transactions: TransactionsMax + 1}} {
		if err := c.Check(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
