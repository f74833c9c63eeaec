// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

func TestRounds(t *testing.T) {
	f := start(t, Config{Leader: "node-7"})
	for i := range 5 {
		f.pass(time.Duration(i) * time.Second)
		if i == 3 {
			f.pass(-time.Hour) // the clock was set back
		}
		f.submit(pay(Treasury, "a", 1), pay(Treasury, "b", 1))
	}
	rounds, err := f.Rounds(0, 10)
	if err != nil || len(rounds) != 6 {
		t.Fatal(rounds, err)
	}
	for i, r := range rounds {
		if r.Number != uint64(5-i) || r.Leader != "node-7" || len(r.Votes) != 1 || (r.Number > 0 && r.Transactions != 2) {
			t.Errorf("%+v", r)
		}
		if byHash, err := f.RoundByHash(r.Hash); err != nil || byHash.Number != r.Number {
			t.Error(byHash, err)
		}
		inside, _, err := f.InRound(r.Number, 0, 10, "")
		var rows [][]byte
		for _, tx := range inside {
			rows = append(rows, encodeRow(tx))
		}
		if err != nil || hashRound(&r, rows) != r.Hash {
			t.Errorf("round %d cannot be hashed again from its rows: %v", r.Number, err)
		}
		if i > 0 && (rounds[i-1].Previous != r.Hash || rounds[i-1].Ms < r.Ms) {
			t.Errorf("round %d does not follow: %+v, %+v", r.Number, rounds[i-1], r)
		}
	}
	if rounds[5].Previous != (Hash{}) {
		t.Error("round 0 follows something")
	}
	some, err := f.Rounds(3, 2)
	if err != nil || len(some) != 2 || some[0].Number != 2 || some[1].Number != 1 {
		t.Error(some, err)
	}
	_, err = f.Round(6)
	expectErr(t, err, fault.NotFound, "not_found")
	_, err = f.RoundByHash(Hash{1})
	expectErr(t, err, fault.NotFound, "not_found")
}

// TestHistory compares queries with a filter over everything.
func TestHistory(t *testing.T) {
	f := start(t, Config{})
	random := rand.New(rand.NewPCG(3, 4))
	names := []string{"a", "ab", "b", "a\x00", "\u00e9"}
	for _, n := range names {
		f.one(pay(Treasury, n, 50))
	}
	for range 40 {
		f.pass(time.Duration(random.IntN(3)) * time.Second)
		var orders []Order
		for range 1 + random.IntN(4) {
			from, to := names[random.IntN(len(names))], names[random.IntN(len(names))]
			if from != to {
				orders = append(orders, pay(from, to, uint64(1+random.IntN(40))))
			}
		}
		if len(orders) > 0 {
			f.submit(orders...)
		}
	}
	var all []Transaction
	for n := f.Totals().Round + 1; n > 0; n-- {
		inside, _, err := f.InRound(n-1, 0, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		for i := len(inside) - 1; i >= 0; i-- {
			all = append(all, inside[i])
		}
	}
	yes, no := true, false
	middle := all[len(all)/2]
	for _, q := range []Query{
		{Limit: 1000}, {Limit: 3}, {Account: "a", Limit: 4}, {Account: "a\x00", Limit: 100}, {Account: "nobody", Limit: 1},
		{Refused: &yes, Limit: 2}, {Refused: &no, Account: "ab", Limit: 5}, {Kind: Issue, Limit: 5},
		{SinceMs: middle.Ms, Limit: 100}, {SinceMs: middle.Ms + 1, Account: "b", Limit: 2}, {SinceMs: 1 << 60, Limit: 1},
		{Before: &middle.ID, Limit: 100}, {Before: &middle.ID, Account: "\u00e9", Limit: 3},
	} {
		var want []string
		for _, tx := range all {
			mine := q.Account == "" || q.Account == tx.From || q.Account == tx.To
			if mine && q.wants(&tx) && tx.Ms >= q.SinceMs && (q.Before == nil || older(tx.ID, *q.Before)) {
				want = append(want, tx.ID.String())
			}
		}
		var got []string
		for {
			found, next, err := f.Transactions(q)
			if err != nil || len(found) > q.Limit {
				t.Fatal(len(found), err)
			}
			for _, tx := range found {
				got = append(got, tx.ID.String())
				if again, err := f.Transaction(tx.ID); err != nil || again != tx {
					t.Errorf("%+v, by its id %+v: %v", tx, again, err)
				}
			}
			if next == nil {
				break
			}
			q.Before = next
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%+v\ngot  %v\nwant %v", q, got, want)
		}
	}
	wrong := middle.ID
	wrong.Ms++
	_, err := f.Transaction(wrong)
	expectErr(t, err, fault.NotFound, "not_found")
	for _, limit := range []int{0, ListMax + 1} {
		_, _, err := f.Transactions(Query{Limit: limit})
		expectErr(t, err, fault.Invalid, "invalid")
	}
}

func older(a, b v10.TxID) bool {
	return a.Height < b.Height || (a.Height == b.Height && a.Place() < b.Place())
}

// TestConservation pays at random, beside readers, and adds up all balances.
func TestConservation(t *testing.T) {
	f := start(t, Config{})
	random := rand.New(rand.NewPCG(5, 6))
	f.submit(Order{Kind: OpenAccount, To: "mint"}, Order{Kind: CreateAsset, From: "mint", Asset: "C", Title: "c"})
	for range 30 {
		var orders []Order
		for range 50 {
			from, to := fmt.Sprint(random.IntN(20)), fmt.Sprint(random.IntN(20))
			units := chain.Units(uint64(1 + random.IntN(1000)))
			switch random.IntN(6) {
			case 0:
				orders = append(orders, Order{Kind: Issue, From: "mint", To: to, Asset: "C", Units: units})
			case 1:
				orders = append(orders, Order{Kind: Redeem, From: "mint", Asset: "C", Units: units})
			case 2:
				orders = append(orders, Order{Kind: Transfer, From: from, To: "mint", Asset: "C", Units: units})
			default:
				orders = append(orders, Order{Kind: Transfer, From: from, To: to + "x", Asset: "C", Units: units})
			}
		}
		f.submit(orders...)
	}
	asset, err := f.Asset("C")
	if err != nil {
		t.Fatal(err)
	}
	holders, err := f.Holders("C", ListMax)
	if err != nil || len(holders) < 20 {
		t.Fatal(holders, err)
	}
	var sum chain.Amount
	for i, h := range holders {
		sum, _ = sum.Add(h.Units)
		if i > 0 && holders[i-1].Units.Less(h.Units) {
			t.Error("holders are not sorted")
		}
		balances, err := f.Balances(h.Account)
		if err != nil || len(balances) != 1 || balances[0] != h {
			t.Errorf("%+v, by account %+v: %v", h, balances, err)
		}
	}
	if sum != asset.Supply.Amount || sum.IsZero() {
		t.Errorf("the balances sum up to %s, the supply is %s", sum, asset.Supply)
	}
	top, err := f.Holders("C", 3)
	if err != nil || len(top) != 3 || top[2] != holders[2] {
		t.Error(top, err)
	}
	accounts, err := f.Accounts(0, 3)
	if err != nil || len(accounts) != 3 || accounts[0].Name != Treasury || accounts[1].Name != "mint" || accounts[2].Number != 3 {
		t.Error(accounts, err)
	}
}

// TestRowsAreStable compares the rows of a small history with those in testdata: other programs read them.
func TestRowsAreStable(t *testing.T) {
	f := start(t, Config{})
	f.one(keyed(pay(Treasury, "alice", 150_000_000), "key-1"))
	f.submit(pay("alice", "bob", 1), pay("bob", "alice", 2), Order{Kind: OpenAccount, To: "carol"})
	f.one(Order{Kind: CreateAsset, From: "alice", Asset: "GOLD", Title: "Gold", Scale: 3})
	f.one(Order{Kind: Issue, From: "alice", To: "bob", Asset: "GOLD", Units: chain.Units(5)})
	var out strings.Builder
	for _, family := range store.Families() {
		err := f.walk(family, store.Range{}, func(key, value []byte) (bool, error) {
			_, err := fmt.Fprintf(&out, "%s %q = %q\n", family, key, value)
			return true, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	testkit.Golden(t, "rows.txt", []byte(out.String()))
}
