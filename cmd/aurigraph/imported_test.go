// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/indexer"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/restv10"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/rest"
	"github.com/aurigraph/aurigraph/legacy/store/pebble"
)

// pastWorld is a V10 with a past, and V11's dialect over what was imported of it.
type pastWorld struct {
	t        *testing.T
	v10      http.Handler
	v11      http.Handler
	ledger   *ledger.Ledger
	accounts []string // by number, from 1
	assets   []ledger.Asset
	all      []ledger.Transaction // oldest first
}

func (w *pastWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// liveV10 makes things of every kind, of every outcome, and some for people who are told by odd names.
func (w *pastWorld) liveV10() {
	store, err := pebble.Open(w.t.TempDir(), pebble.Options{})
	w.must(err)
	w.t.Cleanup(func() { w.must(store.Close()) })
	w.ledger, err = ledger.Open(store, ledger.Config{})
	w.must(err)
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.ledger.Run(ctx) }()
	aur := func(n uint64) ledger.Units { return ledger.Units{Amount: chain.Units(n)} }
	gold := ledger.Order{Kind: ledger.CreateAsset, From: ledger.Treasury, Asset: "GOLD", Title: "Gold", Scale: 3}
	for i := range uint64(40) {
		orders := []ledger.Order{
			{Kind: ledger.OpenAccount, To: fmt.Sprintf("user-%d", i)}, gold,
			{Kind: ledger.Issue, From: ledger.Treasury, To: "zoë <&> \"x\"", Asset: "GOLD", Units: aur(10_001 + i).Amount},
		}
		for j := range uint64(11) {
			orders = append(orders, ledger.Order{Kind: ledger.Transfer, From: ledger.Treasury, To: fmt.Sprintf("user-%d", (i+j)%40), Asset: "AUR", Units: chain.Units(1_00000001 + i*j)})
		}
		orders = append(orders,
			ledger.Order{Kind: ledger.Transfer, From: fmt.Sprintf("user-%d", i), To: "nobody yet", Asset: "AUR", Units: chain.Units(1 << 60)},
			ledger.Order{Kind: ledger.Redeem, From: ledger.Treasury, Asset: "GOLD", Units: chain.Units(1 << 50)},
		)
		_, err := w.ledger.Submit(w.t.Context(), orders)
		w.must(err)
	}
	stop()
	w.must(<-ended)
	w.v10, err = rest.New(w.ledger, rest.Config{Engine: "pebble"})
	w.must(err)
}

// read lists what V10 has, as a copy does.
func (w *pastWorld) read() (rounds []imported.Round) {
	accounts, err := w.ledger.Accounts(0, 1000)
	w.must(err)
	for _, a := range accounts {
		w.accounts = append(w.accounts, a.Name)
	}
	w.assets, err = w.ledger.Assets(0, 1000)
	w.must(err)
	for n := range w.ledger.Totals().Round + 1 {
		r, err := w.ledger.Round(n)
		w.must(err)
		found, _, err := w.ledger.InRound(n, 0, v10.PlacesPerBlockMax, "")
		w.must(err)
		w.all = append(w.all, found...)
		rounds = append(rounds, imported.Round{
			Number: n, Ms: r.Ms, Leader: r.Leader, Votes: r.Votes, Hash: r.Hash, Previous: r.Previous, Transactions: r.Transactions,
		})
	}
	return rounds
}

var importedKinds = map[ledger.Kind]imported.Kind{
	ledger.Transfer: imported.Transfer, ledger.OpenAccount: imported.OpenAccount, ledger.CreateAsset: imported.CreateAsset,
	ledger.Issue: imported.Issue, ledger.Redeem: imported.Redeem,
}

func (w *pastWorld) rows() (rows []imported.Row) {
	account := func(name string) chain.AccountNo { return chain.AccountNo(slices.Index(w.accounts, name) + 1) }
	for i := range w.all {
		x := &w.all[i]
		rows = append(rows, imported.Row{
			Seq: uint64(i + 1), Ms: x.Ms, Round: uint64(x.ID.Height), Place: x.ID.Place(), Kind: importedKinds[x.Kind], Payer: account(x.From), Payee: account(x.To),
			Asset:  chain.AssetNo(slices.IndexFunc(w.assets, func(a ledger.Asset) bool { return a.Code == x.Asset }) + 1),
			Amount: x.Units.Amount, Outcome: x.Outcome,
		})
	}
	return rows
}

// pastDesk knows names.
type pastDesk struct {
	restv10.Desk
	w *pastWorld
}

func (d pastDesk) Names(_ context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error) {
	out := map[chain.AccountNo]string{}
	for _, no := range numbers {
		out[no] = d.w.accounts[no-1]
	}
	return out, nil
}

func (d pastDesk) Resolve(_ context.Context, name string) (chain.AccountNo, error) {
	if at := slices.Index(d.w.accounts, name); at >= 0 {
		return chain.AccountNo(at + 1), nil
	}
	return 0, fault.New(fault.NotFound, v10.TextNoAccount)
}

// pastReader is a V11 on which nothing was executed since the copy.
type pastReader struct {
	restv10.Reader
	query *query.Query
	w     *pastWorld
}

func (r pastReader) Counters() restv10.Counters { return restv10.Counters{} }

func (r pastReader) TransferAt(context.Context, query.Place) (*query.PlacedTransfer, error) {
	return nil, fault.New(fault.NotFound, "there is no block")
}

func (r pastReader) V10Transfer(ctx context.Context, round uint64, place uint32) (*query.Transfer, error) {
	return r.query.V10Transfer(ctx, round, place)
}

func (r pastReader) V10Round(ctx context.Context, number uint64) (*imported.Round, error) {
	return r.query.V10Round(ctx, number)
}

func (r pastReader) FindTransfers(ctx context.Context, f query.TransferFilter, limit int, cursor string) (query.Page[query.Transfer], error) {
	return r.query.FindTransfers(ctx, f, limit, cursor)
}

func (r pastReader) Asset(_ context.Context, no chain.AssetNo) (*query.Asset, error) {
	a := &r.w.assets[no-1]
	return &query.Asset{Number: no, Code: a.Code, Scale: a.Scale}, nil
}

// noBlocks is the index of a V11 without transfers.
type noBlocks struct{}

func (noBlocks) Transfers(context.Context, chain.AccountNo, chain.AssetNo, uint64, int) (chain.Height, []query.Transfer, uint64, error) {
	return 0, nil, 0, nil
}

func (noBlocks) ByOrigin(context.Context, uint64, uint32) (query.Transfer, error) {
	return query.Transfer{}, fault.New(fault.NotFound, "nothing came by sync")
}

func (noBlocks) Height() chain.Height { return 0 }

func (noBlocks) Follow(context.Context, chain.Height, func(chain.Height) error) error { return nil }

// serveV11 imports V10's past and serves it.
func (w *pastWorld) serveV11(url string) {
	id := imported.Identity{Chain: 9, Genesis: chain.Hash{9}, Sequence: 77}
	dir := w.t.TempDir()
	into, err := indexer.OpenImported(w.t.Context(), url, dir, id, nil)
	w.must(err)
	w.must(into.Rounds(w.t.Context(), w.read()))
	w.must(into.Rows(w.t.Context(), w.rows()))
	w.must(into.Finish(w.t.Context()))
	w.must(into.Close())
	past := indexer.NewPast(config.Index{URL: url}, dir, id.Chain, id.Genesis, slog.New(slog.DiscardHandler))
	w.t.Cleanup(func() { w.must(past.Close()) })
	guard, err := access.New(access.Config{Open: true, Keys: w.t.TempDir() + "/keys.json"}, access.Parts{})
	w.must(err)
	q := query.New(query.Parts{Index: noBlocks{}, Feed: noBlocks{}, Imported: past})
	w.v11, err = restv10.New(restv10.Config{Node: "node0", Network: "n", GenesisHash: "0x00"}, restv10.Parts{
		Desk: pastDesk{w: w}, Reader: pastReader{query: q, w: w}, Access: guard, Log: slog.New(slog.DiscardHandler),
	})
	w.must(err)
}

func (w *pastWorld) ask(h http.Handler, path string) (int, string) {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, path, nil))
	return answer.Code, answer.Body.String()
}

// wantSame wants V11 to answer what V10 answers, to the byte.
func (w *pastWorld) wantSame(path string) {
	w.t.Helper()
	wantCode, want := w.ask(w.v10, path)
	if code, have := w.ask(w.v11, path); code != wantCode || have != want {
		w.t.Errorf("%s\nV11 %d %s\nV10 %d %s", path, code, have, wantCode, want)
	}
}

// list reads a list page by page, without the cursors, which are each ledger's own.
func (w *pastWorld) list(h http.Handler, path string, limit int) (out []string) {
	w.t.Helper()
	for cursor := ""; ; {
		code, text := w.ask(h, fmt.Sprintf("%s&limit=%d&cursor=%s", path, limit, url.QueryEscape(cursor)))
		var page struct {
			Transactions []json.RawMessage `json:"transactions"`
			Cursor       string            `json:"cursor"`
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil || code != http.StatusOK || len(page.Transactions) > limit {
			w.t.Fatalf("%s: %d %s %v", path, code, text, err)
		}
		for _, x := range page.Transactions {
			out = append(out, string(x))
		}
		if cursor = page.Cursor; cursor == "" {
			return out
		}
	}
}

// TestV11AnswersV10sPast wants what V10 answered before the copy from V11: each transaction by its id, its receipt, and lists.
func TestV11AnswersV10sPast(t *testing.T) {
	t.Run("file", func(t *testing.T) { testV11AnswersV10sPast(t, config.IndexSQLite) })
	t.Run("database", func(t *testing.T) {
		testV11AnswersV10sPast(t, pgserver.Start(t, pgserver.Options{}).Database(t))
	})
}

func testV11AnswersV10sPast(t *testing.T, index string) {
	w := &pastWorld{t: t}
	w.liveV10()
	w.serveV11(index)
	kinds := map[ledger.Kind]int{}
	refused := 0
	for i := range w.all {
		x := &w.all[i]
		kinds[x.Kind]++
		if x.Outcome != chain.OK {
			refused++
		}
		w.wantSame("/api/v10/transactions/" + x.ID.String())
		w.wantSame("/api/v10/transactions/" + x.ID.String() + "/receipt")
	}
	if len(kinds) != len(importedKinds) || refused < 40 || len(w.all) < 600 {
		t.Errorf("V10 has %v, %d refused", kinds, refused)
	}
	last := w.all[len(w.all)-1].ID
	for _, other := range []v10.TxID{
		v10.TxIDAt(last.Ms+1, last.Height, last.Place()), v10.TxIDAt(last.Ms, last.Height, last.Place()+1), v10.TxIDAt(last.Ms, last.Height+1, 0), v10.TxIDAt(0, 0, 99),
	} {
		w.wantSame("/api/v10/transactions/" + other.String())
		w.wantSame("/api/v10/transactions/" + other.String() + "/receipt")
	}
	since := fmt.Sprint(w.all[len(w.all)/2].Ms)
	for _, path := range []string{
		"/api/v10/transactions?x=1", "/api/v10/transactions?status=FAILED", "/api/v10/transactions?account=user-7", "/api/v10/transactions?since=" + since,
		"/api/v10/accounts/user-7/transactions?status=CONFIRMED", "/api/v10/accounts/" + url.PathEscape(ledger.Treasury) + "/transactions?since=" + since,
		"/api/v10/accounts/" + url.PathEscape("zoë <&> \"x\"") + "/transactions?x=1",
	} {
		want := w.list(w.v10, path, 1000)
		for _, limit := range []int{7, 1000} {
			if have := w.list(w.v11, path, limit); !slices.Equal(have, want) {
				t.Errorf("%s by %d: V11 lists %d, V10 %d", path, limit, len(have), len(want))
			}
		}
	}
	w.wantSame("/api/transactions")
}
