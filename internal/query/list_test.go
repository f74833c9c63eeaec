// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/query"
)

// pager reads one page of a list as numbers.
type pager func(limit int, cursor string) (numbers []uint64, at chain.Height, next string, err error)

func (w *world) blocks(limit int, cursor string) (numbers []uint64, at chain.Height, next string, err error) {
	p, err := w.ListBlocks(context.Background(), limit, cursor)
	for _, b := range p.Items {
		numbers = append(numbers, uint64(b.Header.Height))
	}
	return numbers, p.IndexHeight, p.Next, err
}

func (w *world) accounts(institution chain.InstitutionNo) pager {
	return func(limit int, cursor string) (numbers []uint64, at chain.Height, next string, err error) {
		p, err := w.ListAccounts(context.Background(), institution, limit, cursor)
		for _, a := range p.Items {
			if institution != 0 && a.Institution != institution {
				return nil, 0, "", fmt.Errorf("account %d is of institution %d", a.Number, a.Institution)
			}
			if a.Height < p.IndexHeight || a.Address.IsZero() || len(a.Holdings) != 0 {
				return nil, 0, "", fmt.Errorf("account %+v on a page of height %d", a, p.IndexHeight)
			}
			numbers = append(numbers, uint64(a.Number))
		}
		return numbers, p.IndexHeight, p.Next, err
	}
}

func (w *world) assets(limit int, cursor string) (numbers []uint64, at chain.Height, next string, err error) {
	p, err := w.ListAssets(context.Background(), limit, cursor)
	for _, a := range p.Items {
		if a.Height != p.IndexHeight || a.Code == "" {
			return nil, 0, "", fmt.Errorf("asset %+v on a page of height %d", a, p.IndexHeight)
		}
		numbers = append(numbers, uint64(a.Number))
	}
	return numbers, p.IndexHeight, p.Next, err
}

// all follows a list to its end; between is called before each of the next few pages.
func all(t *testing.T, page pager, limit int, between func()) (numbers []uint64) {
	t.Helper()
	cursor := ""
	for pages := 1; ; pages++ {
		got, at, next, err := page(limit, cursor)
		if err != nil || len(got) > limit || at == 0 {
			t.Fatalf("%d items at height %d: %v", len(got), at, err)
		}
		numbers = append(numbers, got...)
		if next == "" {
			return numbers
		}
		if len(got) < limit && len(got) != 0 {
			t.Errorf("a short page of %d, limit %d, with more behind it", len(got), limit)
		}
		cursor = next
		if pages < 4 {
			between()
		}
	}
}

func countdown(from, to uint64) (numbers []uint64) {
	for n := from; n >= to; n-- {
		numbers = append(numbers, n)
	}
	return numbers
}

// A list read page by page is whole and in order, and what is new meanwhile does not move it.
func TestListsPageByPage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 12 {
			w.Batch(pay(house, alice, gold, 1))
			signed, _ := w.Tx(house, govKey, &chain.CreateAsset{Code: fmt.Sprintf("A%d", i), Name: "a"})
			w.Txs(signed)
		}
		w.open(20)
		w.Settle()
		grown := uint64(0)
		grow := func() {
			grown++
			signed, _ := w.Tx(house, govKey, &chain.CreateAsset{Code: fmt.Sprintf("B%d", w.Loop.Height()), Name: "b"})
			w.Txs(signed)
			w.open(1)
			synctest.Wait() // a block is there a moment before the feed tells of it
		}
		lists := map[string]struct {
			page   pager
			newest func() uint64
			keep   func(uint64) bool
		}{
			"blocks":   {w.blocks, func() uint64 { return uint64(w.Loop.Height()) }, func(uint64) bool { return true }},
			"accounts": {w.accounts(0), func() uint64 { return uint64(ported) + 20 + grown }, func(uint64) bool { return true }},
			"accounts of the bank": {w.accounts(historytest.Bank), func() uint64 { return 6 }, func(n uint64) bool {
				return chain.AccountNo(n) == historytest.BankHouse || chain.AccountNo(n) == bob
			}},
			"assets": {w.assets, func() uint64 { return 2 + 12 + grown }, func(uint64) bool { return true }},
		}
		for name, l := range lists {
			for _, limit := range []int{1, 2, 3, 7, 23, query.PageItemsMax} {
				newest := l.newest()
				expected := slices.DeleteFunc(countdown(newest, 1), func(n uint64) bool { return !l.keep(n) })
				if got := all(t, l.page, limit, grow); !slices.Equal(got, expected) {
					t.Errorf("%s by %d: %v, must be %v", name, limit, got, expected)
				}
			}
		}
		if grown == 0 {
			t.Error("nothing grew meanwhile")
		}
	})
}

// An institution's few accounts among many are found over several turns and several pages, some of which are short.
func TestListAccountsLooksInTurns(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for range 5 {
			w.open(chain.OpenAccountsMax)
		}
		pages := 0
		got := all(t, w.accounts(historytest.Bank), 2, func() { pages++ })
		if !slices.Equal(got, []uint64{uint64(bob), uint64(historytest.BankHouse)}) || pages != 2 { // 32,768 looked through without a find; both found; the end
			t.Errorf("%v after %d pages that were not the last", got, pages)
		}
		numbers := all(t, w.accounts(0), query.PageItemsMax, func() {})
		if len(numbers) != 5*chain.OpenAccountsMax+int(ported) {
			t.Errorf("%d accounts", len(numbers))
		}
	})
}

// busyState is the executed state of a network that opens an account before each look.
type busyState struct{ w *world }

func (b busyState) View(ctx context.Context, read func(*ledger.Ledger)) (chain.Height, error) {
	b.w.open(1)
	return b.w.Loop.View(ctx, read)
}

func (b busyState) Prove(ctx context.Context, read func(*pages.Snapshot, *pages.Tree) error) (chain.Height, []byte, []byte, error) {
	return b.w.Loop.Prove(ctx, read)
}

// A page that is read in several turns is complete up to the height of the first, and says of each account when that was so.
func TestListAccountsWhileBlocksGoOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.open(2000)
		signed, _ := w.Tx(historytest.BankHouse, historytest.BankKey, &chain.OpenAccounts{Count: 1})
		w.Txs(signed)
		q := query.New(query.Parts{History: w.History, State: busyState{w}, Feed: w.hub})
		p, err := q.ListAccounts(t.Context(), 0, 1000, "")
		if err != nil || len(p.Items) != 1000 || p.Items[0].Number != ported+2002 || p.Items[999].Height != p.IndexHeight {
			t.Fatalf("%d accounts from %d on, %v", len(p.Items), p.Items[0].Number, err)
		}
		p, err = q.ListAccounts(t.Context(), historytest.Bank, 1000, "")
		if err != nil || len(p.Items) != 3 || p.Items[0].Height != p.IndexHeight || p.Items[1].Height <= p.IndexHeight || p.Next != "" {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func TestListLimits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Batch(pay(house, alice, gold, 1))
		transfers := func(limit int, cursor string) ([]uint64, chain.Height, string, error) {
			p, err := w.ListTransfers(context.Background(), 0, 0, limit, cursor)
			return nil, p.IndexHeight, p.Next, err
		}
		for name, page := range map[string]pager{"blocks": w.blocks, "accounts": w.accounts(0), "assets": w.assets, "transfers": transfers} {
			for _, limit := range []int{-1, 0, query.PageItemsMax + 1} {
				_, _, _, err := page(limit, "")
				want(t, fmt.Sprintf("%s by %d", name, limit), err, fault.Invalid, "limit: is")
			}
			for _, cursor := range []string{"x", "!!", strings.Repeat("A", 34), strings.Repeat("A", 1000)} {
				_, _, _, err := page(1, cursor)
				want(t, name+" from "+cursor, err, fault.Invalid, "cursor: is not of this list")
			}
		}
	})
}

// A cursor is good for the list and filter that gave it, and for nothing else; a changed one is none.
func TestCursorsOfOtherLists(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Batch(pay(house, alice, gold, 1))
		w.Settle()
		w.index.next = 77
		transfers := func(account chain.AccountNo, asset chain.AssetNo) pager {
			return func(limit int, cursor string) ([]uint64, chain.Height, string, error) {
				p, err := w.ListTransfers(context.Background(), account, asset, limit, cursor)
				return nil, p.IndexHeight, p.Next, err
			}
		}
		lists := map[string]pager{
			"blocks": w.blocks, "accounts": w.accounts(0), "accounts of 1": w.accounts(1), "accounts of 2": w.accounts(2), "assets": w.assets,
			"transfers": transfers(0, 0), "transfers of account 1": transfers(1, 0), "transfers of asset 1": transfers(0, 1), "transfers of both": transfers(1, 1),
		}
		for from, give := range lists {
			_, _, cursor, err := give(1, "")
			if err != nil || cursor == "" {
				t.Fatalf("%s: cursor %q, %v", from, cursor, err)
			}
			for to, take := range lists {
				_, _, _, err := take(1, cursor)
				if to == from && err != nil {
					t.Errorf("its own cursor: %s: %v", from, err)
				}
				if to != from {
					want(t, "a cursor of "+from+" for "+to, err, fault.Invalid, "cursor: is not of this list")
				}
			}
			raw, err := base64.RawURLEncoding.DecodeString(cursor)
			if err != nil {
				t.Fatal(err)
			}
			for i := range raw {
				raw[i] ^= 4
				_, _, _, err := give(1, base64.RawURLEncoding.EncodeToString(raw))
				want(t, fmt.Sprintf("%s: byte %d changed", from, i), err, fault.Invalid, "cursor: is not of this list")
				raw[i] ^= 4
			}
			_, _, _, err = give(1, cursor+"A")
			want(t, from+": a longer cursor", err, fault.Invalid, "cursor: is not of this list")
		}
	})
}

func TestListTransfers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.index.next = 5
		p, err := w.ListTransfers(t.Context(), 3, 2, 10, "")
		if err != nil || p.IndexHeight != 9 || p.Items[0].From != 3 || w.index.account != 3 || w.index.asset != 2 || w.index.before != 0 || w.index.limit != 10 {
			t.Errorf("%+v asked %+v, %v", p, w.index, err)
		}
		w.index.next = 0
		p, err = w.ListTransfers(t.Context(), 3, 2, 1, p.Next)
		if err != nil || p.Next != "" || w.index.before != 5 || w.index.limit != 1 {
			t.Errorf("%+v asked %+v, %v", p, w.index, err)
		}
		w.index.err = errors.New("the index is gone")
		if _, err := w.ListTransfers(t.Context(), 3, 2, 1, ""); !errors.Is(err, w.index.err) {
			t.Error(err)
		}
		_, err = query.New(query.Parts{}).ListTransfers(t.Context(), 3, 2, 1, "")
		want(t, "without an index", err, fault.Unavailable, "index.enabled")
	})
}

func TestListBlocksIsGivenUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		if numbers, at, next, err := w.blocks(5, ""); len(numbers) != 0 || at != 0 || next != "" || err != nil {
			t.Errorf("of no blocks: %v at %d, %q, %v", numbers, at, next, err)
		}
		w.Batch(pay(house, alice, gold, 1))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.ListBlocks(ctx, 5, ""); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
