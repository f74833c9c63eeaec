// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/query"
)

// oldRows is V10's history before the copy: rows of any kind, round by round, oldest first.
type oldRows struct {
	query.Imported
	rows []imported.Row
	err  error
}

// newOldRows makes a history that ends a second before a time.
func newOldRows(n int, endUs uint64) *oldRows {
	p := &oldRows{}
	kinds := []imported.Kind{imported.Transfer, imported.Transfer, imported.Issue, imported.Transfer, imported.OpenAccount, imported.Redeem, imported.CreateAsset}
	for i := range n {
		r := imported.Row{
			Seq: uint64(i + 1), Ms: endUs/1000 - 1000 - uint64(n-i)*10, Round: uint64(i/3 + 1), Place: uint32(i % 3), Kind: kinds[i%len(kinds)],
			Payer: house, Payee: alice + chain.AccountNo(i%2), Asset: gold, Amount: chain.Units(uint64(i)),
		}
		if i%5 == 0 {
			r.Outcome = chain.InsufficientFunds
		}
		p.rows = append(p.rows, r)
	}
	return p
}

func (p *oldRows) List(_ context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (out []imported.Row, next uint64, err error) {
	if err := imported.CheckList(before, limit); err != nil || p.err != nil {
		return nil, 0, errorOf(err, p.err)
	}
	if before == 0 || before > uint64(len(p.rows)) {
		before = uint64(len(p.rows)) + 1
	}
	for at := int(before) - 2; at >= 0; at-- {
		if r := p.rows[at]; (account == 0 || r.Payer == account || r.Payee == account) && (asset == 0 || r.Asset == asset) {
			out = append(out, r)
		}
		if len(out) == limit && at > 0 {
			return out, uint64(at + 1), nil
		}
	}
	return out, 0, nil
}

func errorOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (p *oldRows) Round(_ context.Context, number uint64) (imported.Round, error) {
	if number != 7 {
		return imported.Round{}, fault.New(fault.NotFound, "no such round")
	}
	return imported.Round{Number: number}, nil
}

// word names a transfer of either ledger.
func word(t *query.Transfer) string {
	if t.Origin != (history.Origin{}) {
		return fmt.Sprintf("V10 %d.%d", t.Origin.Round, t.Origin.Place)
	}
	return fmt.Sprint(t.Height, t.Index, t.Item)
}

func findWords(t *testing.T, q *query.Query, f query.TransferFilter, limit int) (words []string) {
	t.Helper()
	for cursor := ""; ; {
		page, err := q.FindTransfers(t.Context(), f, limit, cursor)
		if err != nil || len(page.Items) > limit {
			t.Fatal(len(page.Items), err)
		}
		for i := range page.Items {
			words = append(words, word(&page.Items[i]))
		}
		if cursor = page.Next; cursor == "" {
			return words
		}
	}
}

// Behind what this ledger has come V10's rows, newest first, whatever the size of a page and the filter.
func TestListsGoOnInV10sPast(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.manyBlocks()
		own := w.everyTransfer(t)
		old := newOldRows(700, own[len(own)-1].TimeUs)
		parts := query.Parts{History: w.History, State: w.Loop, Feed: w.hub}
		parts.Imported = old
		q, alone := query.New(parts), w.without()
		for _, f := range []query.TransferFilter{
			{}, {Account: house}, {Account: alice, Payments: true}, {Account: bob, Asset: gold}, {Asset: silver}, {Outcome: query.OnlyRefused}, {Outcome: query.OnlyDone, Payments: true},
			{SinceUs: old.rows[400].Ms * 1000}, {SinceUs: own[0].TimeUs}, {Account: carol + 100},
		} {
			var want []string
			for _, r := range slices.Backward(old.rows) {
				x := query.TransferOf(&r)
				if x.Touches(f.Account, f.Asset) && x.TimeUs >= f.SinceUs && (!f.Payments || x.Kind == history.KindTransfer) &&
					(f.Outcome == query.AnyOutcome || (f.Outcome == query.OnlyDone) == (x.Outcome == chain.OK)) {
					want = append(want, word(&x))
				}
			}
			want = append(findWords(t, alone, f, 1000), want...)
			for _, limit := range []int{1, 3, len(want) - 1, 1000} {
				if limit < 1 {
					continue
				}
				if have := findWords(t, q, f, limit); !slices.Equal(have, want) {
					t.Errorf("%+v, %d a page: %d, must be %d", f, limit, len(have), len(want))
				}
			}
		}
	})
}

// The border is met by a full page too, and a page that ends there goes on only if there is something.
func TestBorder(t *testing.T) {
	own := query.Page[query.Transfer]{IndexHeight: 4, Items: make([]query.Transfer, 5)}
	for _, c := range []struct {
		name  string
		old   *oldRows
		limit int
		items int
		more  bool
	}{
		{"a full page", newOldRows(2, 1e12), 5, 5, true},
		{"a full page and nothing", newOldRows(0, 1e12), 5, 5, false},
		{"room for all", newOldRows(2, 1e12), 9, 7, false},
		{"room for just that", newOldRows(2, 1e12), 7, 7, false},
		{"room for some", newOldRows(2, 1e12), 6, 6, true},
		{"nothing was copied", &oldRows{err: fault.New(fault.NotFound, "nothing")}, 9, 5, false},
	} {
		q := query.New(query.Parts{Imported: c.old})
		page, err := q.Behind(t.Context(), query.TransferFilter{}, c.limit, own)
		if err != nil || len(page.Items) != c.items || (page.Next != "") != c.more || page.IndexHeight != 4 {
			t.Errorf("%s: %d items, %q, %v", c.name, len(page.Items), page.Next, err)
		}
	}
	q := query.New(query.Parts{Imported: &oldRows{err: fault.New(fault.Corrupt, "a page")}})
	if _, err := q.Behind(t.Context(), query.TransferFilter{}, 9, own); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a damaged history: %v", err)
	}
	own.Next = "there is more"
	if page, err := q.Behind(t.Context(), query.TransferFilter{}, 9, own); err != nil || len(page.Items) != 5 || page.Next != own.Next {
		t.Errorf("not the last page: %+v, %v", page, err)
	}
}

// V10's time is what a transfer that came by sync is looked for by.
func TestSinceIsV10sTime(t *testing.T) {
	index := &fakeIndex{}
	synced := query.Transfer{Height: 9, TimeUs: 9_000_000, From: 3, Origin: history.Origin{Ms: 8_000, Round: 4}}
	index.rows = []query.Transfer{synced}
	q := query.New(query.Parts{Index: index})
	for since, n := range map[uint64]int{0: 1, 8_000_000: 1, 8_001_000: 0, 9_000_001: 0} {
		page, err := q.FindTransfers(t.Context(), query.TransferFilter{Account: 3, SinceUs: since}, 5, "")
		if err != nil || len(page.Items) != n {
			t.Errorf("since %d: %d, %v", since, len(page.Items), err)
		}
	}
}

// FuzzImportedCursor: a cursor of V10's past is refused as Invalid, or is exactly the one that an answer gave.
func FuzzImportedCursor(f *testing.F) {
	old := newOldRows(300, 1e12)
	q := query.New(query.Parts{Imported: old})
	first, err := q.FindTransfers(f.Context(), query.TransferFilter{Account: alice}, 3, query.StartOfImported(alice, 0))
	if err != nil || first.Next == "" {
		f.Fatal(first.Next, err)
	}
	f.Add(first.Next)
	f.Add(first.Next[:len(first.Next)-1])
	f.Add(query.StartOfImported(alice, 0))
	f.Add("aQAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		if !query.OfImported(cursor) {
			return
		}
		page, err := q.FindTransfers(t.Context(), query.TransferFilter{Account: alice}, 3, cursor)
		switch {
		case err != nil && !fault.Is(err, fault.Invalid):
			t.Errorf("%q: %v", cursor, err)
		case err == nil && len(page.Items) == 3 && page.Next == cursor:
			t.Errorf("%q leads to itself", cursor)
		}
		if _, err := q.FindTransfers(t.Context(), query.TransferFilter{Account: bob}, 3, cursor); err == nil && page.Items != nil {
			t.Errorf("%q is taken for another account", cursor)
		}
	})
}

func TestV10Round(t *testing.T) {
	q := query.New(query.Parts{Imported: &oldRows{}})
	if r, err := q.V10Round(t.Context(), 7); err != nil || r.Number != 7 {
		t.Errorf("%+v %v", r, err)
	}
	_, err := q.V10Round(t.Context(), 8)
	want(t, "another round", err, fault.NotFound, "round")
	_, err = query.New(query.Parts{}).V10Round(t.Context(), 7)
	want(t, "nothing was copied", err, fault.NotFound, "kept here")
}
