// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
)

// Accounts and assets are listed by number from any of them on, and a list says whether more follows.
func TestInOrder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.open(30)
		for _, limit := range []int{1, 4, 1000} {
			var numbers []uint64
			for more, after := true, chain.AccountNo(0); more; {
				p, err := w.AccountsFrom(t.Context(), after, limit)
				if err != nil || len(p.Items) == 0 || p.Items[0].Height != p.Height {
					t.Fatal(p, err)
				}
				for _, a := range p.Items {
					numbers = append(numbers, uint64(a.Number))
				}
				more, after = p.More, p.Items[len(p.Items)-1].Number
			}
			if len(numbers) < 30 || !slices.IsSorted(numbers) || numbers[0] != 1 || numbers[len(numbers)-1] != uint64(len(numbers)) {
				t.Errorf("%d a page: %v", limit, numbers)
			}
		}
		assets, err := w.AssetsFrom(t.Context(), 0, 1)
		if err != nil || len(assets.Items) != 1 || !assets.More || assets.Items[0].Number != 1 {
			t.Errorf("%+v %v", assets, err)
		}
		if p, err := w.AccountsFrom(t.Context(), ^chain.AccountNo(0), 10); err != nil || len(p.Items) != 0 || p.More {
			t.Errorf("%+v %v", p, err)
		}
		_, err = w.AccountsFrom(t.Context(), 0, 0)
		want(t, "no limit", err, fault.Invalid, "limit")
	})
}

// The largest holdings come first, and of equal ones the older account's.
func TestHolders(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Batch(pay(house, alice, gold, 5), pay(house, carol, gold, 5), pay(house, bob, gold, 9))
		all, err := w.Holders(t.Context(), gold, 1000)
		if err != nil || all.Asset.Number != gold {
			t.Fatal(all, err)
		}
		for i, h := range all.Items {
			have, err := w.Account(t.Context(), query.AccountName{Number: h.Account}, gold)
			if err != nil || have.Holdings[0].Amount != h.Amount || h.Amount.IsZero() {
				t.Errorf("%+v, the account has %+v %v", h, have, err)
			}
			if i > 0 {
				before := all.Items[i-1]
				if before.Amount.Less(h.Amount) || before.Amount == h.Amount && before.Account > h.Account {
					t.Errorf("%+v after %+v", h, before)
				}
			}
		}
		if len(all.Items) < 4 {
			t.Errorf("%d holders", len(all.Items))
		}
		top, err := w.Holders(t.Context(), gold, 2)
		if err != nil || !slices.Equal(top.Items, all.Items[:2]) {
			t.Errorf("%+v %v, must be the first of %+v", top, err, all)
		}
		_, err = w.Holders(t.Context(), 999, 2)
		want(t, "no such asset", err, fault.NotFound, "asset")
	})
}
