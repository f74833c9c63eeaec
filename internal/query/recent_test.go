// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
)

// without is the world's query without an index.
func (w *world) without() *query.Query {
	return query.New(query.Parts{History: w.History, State: w.Loop, Feed: w.hub, Status: func() query.Status { return query.Status{} }})
}

// everyTransfer are the transfers of all blocks, oldest first.
func (w *world) everyTransfer(t *testing.T) (rows []query.Transfer) {
	t.Helper()
	for h := chain.Height(1); h <= w.hub.Height(); h++ {
		if err := w.Transfers(t.Context(), h, func(r *query.Transfer) error {
			rows = append(rows, *r)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

// manyBlocks makes blocks of batches of several legs, some of them refused, and single transactions.
func (w *world) manyBlocks() {
	keyed := pay(house, alice, gold, 5)
	keyed.Arg, keyed.Reference = chain.LegKeyed, chain.KeyedReference(chain.IdempotencyKey{1}, [16]byte{2})
	for i := range uint64(8) {
		w.Batch(keyed) // a duplicate from the second time on
		w.Batch(pay(house, alice, gold, i+1), pay(alice, bob, gold, 1<<50), pay(house, bob, gold, i+100))
		issue, _ := w.Tx(house, govKey, &chain.Issue{To: house, Asset: silver, Amount: chain.Units(i + 1)})
		w.Txs(issue)
	}
	w.Settle()
	synctest.Wait()
}

// A list of what passes a filter is all of that, newest first, however it is cut into pages.
func TestFindTransfers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.manyBlocks()
		q, rows := w.without(), w.everyTransfer(t)
		slices.Reverse(rows)
		since := rows[len(rows)/2].TimeUs
		for _, f := range []query.TransferFilter{
			{}, {Account: bob}, {Asset: silver}, {Account: alice, Asset: gold}, {Outcome: query.OnlyRefused}, {Outcome: query.OnlyDone, Account: bob}, {SinceUs: since}, {Account: 999}, {Payments: true},
		} {
			var want []string
			for _, r := range rows {
				if f.Payments && (r.Kind != "transfer" || r.Outcome == chain.Duplicate) {
					continue
				}
				if r.Touches(f.Account, f.Asset) && r.TimeUs >= f.SinceUs && (f.Outcome == query.AnyOutcome || (f.Outcome == query.OnlyDone) == (r.Outcome == chain.OK)) {
					want = append(want, fmt.Sprint(r.Height, r.Index, r.Item))
				}
			}
			if f.Payments && (len(want) == 0 || len(want) >= len(rows)-8) {
				t.Errorf("%d of %d are payments", len(want), len(rows))
			}
			for _, limit := range []int{1, 2, 3, 7, 1000} {
				if got := findAll(t, q, f, limit); !slices.Equal(got, want) {
					t.Errorf("%+v, %d a page: %v, must be %v", f, limit, got, want)
				}
			}
		}
	})
}

func findAll(t *testing.T, q *query.Query, f query.TransferFilter, limit int) (places []string) {
	t.Helper()
	for cursor := ""; ; {
		page, err := q.FindTransfers(t.Context(), f, limit, cursor)
		if err != nil || len(page.Items) > limit {
			t.Fatal(len(page.Items), err)
		}
		for _, r := range page.Items {
			places = append(places, fmt.Sprint(r.Height, r.Index, r.Item))
		}
		if cursor = page.Next; cursor == "" {
			return places
		}
	}
}

// An account's list comes from the index if there is one, and a cursor is good for its own list only.
func TestFindTransfersInTheIndex(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.manyBlocks()
		w.index.next = 0
		page, err := w.FindTransfers(t.Context(), query.TransferFilter{Account: bob}, 5, "")
		if err != nil || w.index.account != bob || page.IndexHeight != 9 || len(page.Items) != 1 {
			t.Errorf("%+v %v", page, err)
		}
		w.index.next = 7 // there is more, and none of it is refused: it is looked at for a while
		page, err = w.FindTransfers(t.Context(), query.TransferFilter{Account: bob, Outcome: query.OnlyRefused}, 5, "")
		if err != nil || len(page.Items) != 0 || page.Next == "" {
			t.Errorf("%+v %v", page, err)
		}
		q := w.without()
		first, err := q.FindTransfers(t.Context(), query.TransferFilter{}, 2, "")
		if err != nil || first.Next == "" {
			t.Fatal(first, err)
		}
		_, err = q.FindTransfers(t.Context(), query.TransferFilter{Account: bob}, 2, first.Next)
		want(t, "another filter", err, fault.Invalid, "cursor")
		_, err = q.FindTransfers(t.Context(), query.TransferFilter{}, 0, "")
		want(t, "no limit", err, fault.Invalid, "limit")
	})
}

// What is in a block is listed in its order, page by page.
func TestBlockTransfers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.manyBlocks()
		for h := chain.Height(1); h <= w.hub.Height(); h++ {
			var all []query.Transfer
			if err := w.Transfers(t.Context(), h, func(r *query.Transfer) error { all = append(all, *r); return nil }); err != nil {
				t.Fatal(err)
			}
			for _, limit := range []int{1, 2, 100} {
				var got []query.Transfer
				for cursor := ""; ; {
					page, err := w.BlockTransfers(t.Context(), h, limit, cursor)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, page.Items...)
					if cursor = page.Next; cursor == "" {
						break
					}
				}
				if !slices.Equal(got, all) {
					t.Errorf("block %d, %d a page: %d of %d", h, limit, len(got), len(all))
				}
			}
		}
		_, err := w.BlockTransfers(t.Context(), w.hub.Height()+1, 10, "")
		want(t, "a block to come", err, fault.NotFound, "block")
	})
}

// A block is found by its hash, and what stands at a place by the place.
func TestFoundByHashAndPlace(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.manyBlocks()
		for _, r := range w.everyTransfer(t) {
			got, err := w.TransferAt(t.Context(), query.Place{Height: r.Height, Index: r.Index, Item: r.Item})
			if err != nil || got.Transfer != r {
				t.Errorf("%+v %v, must be %+v", got, err, r)
			}
			b, err := w.BlockByHash(t.Context(), got.Block)
			if err != nil || b.Header.Height != r.Height {
				t.Errorf("%v %v", b, err)
			}
		}
		signed, id := w.Tx(house, govKey, &chain.CreateAsset{Code: "TIN", Name: "Tin"})
		r := w.Txs(signed)
		got, err := w.TransferAt(t.Context(), query.Place{Height: r.Location.Height, Index: r.Location.Index})
		if err != nil || got.ID != [32]byte(id) || got.From != house || got.Kind != "unknown" {
			t.Errorf("%+v %v", got, err)
		}
		_, err = w.BlockByHash(t.Context(), codec.Sum([]byte("none")))
		want(t, "no such hash", err, fault.NotFound, "hash")
		_, err = w.TransferAt(t.Context(), query.Place{Height: r.Location.Height, Index: r.Location.Index, Item: 9})
		want(t, "no such item", err, fault.NotFound, "item")
	})
}
