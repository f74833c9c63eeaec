// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// killer ends a run after so many rows were read from the checkpoint.
type killer struct {
	Rows
	left atomic.Int64
	kill context.CancelFunc
}

func (k *killer) step() {
	if k.left.Add(-1) == 0 {
		k.kill()
	}
}

func (k *killer) Get(family string, key []byte) ([]byte, error) {
	k.step()
	return k.Rows.Get(family, key)
}

func (k *killer) Scan(family string, low, high []byte, each func(key, value []byte) error) error {
	return k.Rows.Scan(family, low, high, func(key, value []byte) error {
		k.step()
		return each(key, value)
	})
}

// runKilled runs a copy that is killed after so many rows.
func (w *world) runKilled(t *testing.T, rows int64) (Report, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := w.cfg
	cfg.Open = func(dir string) (Rows, error) {
		r, err := w.cfg.Open(dir)
		k := &killer{Rows: r, kill: cancel}
		k.left.Store(rows)
		return k, err
	}
	cfg.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	report, err := Run(ctx, cfg)
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	return report, err
}

// bankTx has the institution that has V10's accounts do something in V11.
func (w *world) bankTx(t *testing.T, body client.Body) {
	t.Helper()
	house, err := w.client.Institution(t.Context(), bank, 0)
	must(t, err)
	a, err := w.client.Account(t.Context(), client.AccountName{Number: house.House}, 0, false)
	must(t, err)
	signed, err := client.SignTx(seeded(t, keys.Ed25519, 4), client.Tx{Chain: testChain, Sender: house.House, Key: 2, Nonce: a.Nonce + 1, ValidUntil: 90_000, Body: body})
	must(t, err)
	got, err := w.client.SubmitTx(t.Context(), signed)
	must(t, err)
	if got.Outcome != chain.OK {
		t.Fatal(got.Outcome)
	}
}

// opensAlias opens an account of V10's in V11 before the copy does.
func (w *world) opensAlias(t *testing.T, name string) {
	t.Helper()
	w.bankTx(t, &client.OpenAccount{AliasTag: w.alias.Tag(name), Address: keys.AliasAddress(name), Slot: w.alias.Slot(name)})
}

// TestCopyKilled kills a copy at random places again and again, while V10 and V11 go on, and wants V11 to have what V10 had at the
// checkpoint, each thing once.
func TestCopyKilled(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { copyKilled(t, rand.New(rand.NewPCG(seed, 2))) })
	}
}

func copyKilled(t *testing.T, r *rand.Rand) {
	w := newWorld(t)
	w.old.some(t, r, 3000)
	w.new.opens(w.client, w.old, chain.CopyBegin())
	w.cfg.batchMax, w.cfg.pieceRows, w.cfg.Keep = 37, 100, true
	w.cfg.Dir = t.TempDir()
	for _, name := range []string{ledger.Treasury, "alice", "Kunde ü/7", w.lastName(t)} {
		w.opensAlias(t, name)
	}
	var report Report
	kills, err := 0, errors.New("not begun")
	for err != nil {
		if report, err = w.runKilled(t, 500+r.Int64N(5500)); err == nil {
			break
		}
		kills++
		switch r.IntN(4) {
		case 0:
			w.old.some(t, r, 50)
		case 1:
			w.bankTx(t, &client.OpenAccounts{Count: 1 + r.Uint32N(3)})
		}
	}
	if t.Logf("killed %d times: %+v", kills, report); kills < 2 || report.Keys == 0 || report.Assets < 3 || report.Transactions < 1000 {
		t.Error("too little was tried")
	}
	w.equal(t, report)
	again, err := Run(t.Context(), w.cfg)
	if err != nil || !again.Already || again.Sequence != report.Sequence || again.Accounts != report.Accounts {
		t.Errorf("again: %+v, %v", again, err)
	}
	if s, err := ReadStatus(w.cfg.Dir); err != nil || s.State != StateDone || s.Report == nil || s.Report.Accounts != report.Accounts {
		t.Errorf("%+v, %v", s, err)
	}
}

// lastName is V10's newest account.
func (w *world) lastName(t *testing.T) string {
	t.Helper()
	all, err := w.old.ledger.Accounts(0, 1000)
	must(t, err)
	return all[len(all)-1].Name
}

// copied opens the checkpoint as the ledger that V10 was.
func (w *world) copied(t *testing.T) (*ledger.Ledger, store.Store) {
	t.Helper()
	s, err := legacy.OpenStore(legacy.EnginePebble, filepath.Join(w.cfg.Dir, checkpointName), 0, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	l, err := ledger.Open(s, ledger.Config{})
	must(t, err)
	return l, s
}

// equal compares all that both have.
func (w *world) equal(t *testing.T, r Report) {
	t.Helper()
	l, s := w.copied(t)
	numbers := w.equalAccounts(t, l, &r)
	w.equalHistory(t, l, &r, numbers)
	w.equalKeys(t, l, s)
	w.equalPieces(t, &r)
	in, err := w.client.Inbox(t.Context())
	must(t, err)
	if in.Position != chain.CopyEnd(r.Sequence) || !in.Tag.IsZero() || in.Barrier != l.Totals().Generation || in.Barrier == 0 || in.Skipped != 0 {
		t.Errorf("%+v", in)
	}
	if !r.SumsEqual || w.tape.finished != 1 || w.tape.id.Sequence != r.Sequence {
		t.Errorf("%+v, finished %d times", r, w.tape.finished)
	}
}

func (w *world) equalAccounts(t *testing.T, l *ledger.Ledger, r *Report) map[string]chain.AccountNo {
	t.Helper()
	all, err := l.Accounts(0, 1000)
	must(t, err)
	numbers, balances := map[string]chain.AccountNo{}, uint64(0)
	for _, a := range all {
		got, err := w.client.Account(t.Context(), client.AccountName{AliasTag: w.alias.Tag(a.Name)}, 0, false)
		must(t, err)
		numbers[a.Name] = got.Number
		if got.Address != keys.AliasAddress(a.Name) || got.Slot != w.alias.Slot(a.Name) || got.Institution != bank || w.vault.names[got.Number] != a.Name {
			t.Fatalf("%q: %+v, called %q", a.Name, got, w.vault.names[got.Number])
		}
		want, err := l.Balances(a.Name)
		must(t, err)
		held := 0
		for _, b := range want {
			if b.Units.IsZero() {
				continue
			}
			held++
			at := slices.IndexFunc(got.Holdings, func(h client.Holding) bool { return h.Code == b.Asset && h.Amount == b.Units })
			if at < 0 {
				t.Fatalf("%q has %v of %s, here %+v", a.Name, b.Units, b.Asset, got.Holdings)
			}
		}
		if held != len(got.Holdings) {
			t.Fatalf("%q: %+v, V10 has %+v", a.Name, got.Holdings, want)
		}
		balances += uint64(held)
	}
	if uint64(len(all)) != r.Accounts || balances != r.Balances || len(w.vault.names) != len(all) {
		t.Errorf("%d accounts, %d balances, %d names: %+v", len(all), balances, len(w.vault.names), r)
	}
	return numbers
}

func (w *world) equalHistory(t *testing.T, l *ledger.Ledger, r *Report, numbers map[string]chain.AccountNo) {
	t.Helper()
	var all []ledger.Transaction
	q := ledger.Query{Limit: ledger.ListMax}
	for {
		some, next, err := l.Transactions(q)
		must(t, err)
		all = append(all, some...)
		if q.Before = next; next == nil {
			break
		}
	}
	slices.Reverse(all)
	if len(all) != len(w.tape.rows) || uint64(len(all)) != r.Transactions {
		t.Fatalf("%d transactions, %d rows: %+v", len(all), len(w.tape.rows), r)
	}
	kinds := map[ledger.Kind]imported.Kind{ledger.Transfer: imported.Transfer, ledger.Issue: imported.Issue, ledger.Redeem: imported.Redeem, ledger.OpenAccount: imported.OpenAccount, ledger.CreateAsset: imported.CreateAsset}
	assets := map[string]chain.AssetNo{}
	for i, x := range all {
		if _, asked := assets[x.Asset]; !asked && x.Asset != "" {
			if a, err := w.client.AssetByCode(t.Context(), x.Asset); err == nil {
				assets[x.Asset] = a.Number
			}
		}
		want := imported.Row{
			Seq: uint64(i) + 1, Ms: x.Ms, Round: uint64(x.ID.Height), Place: x.ID.Place(), Kind: kinds[x.Kind], Payer: numbers[x.From], Payee: numbers[x.To],
			Asset: assets[x.Asset], Amount: x.Units.Amount, Outcome: x.Outcome,
		}
		if w.tape.rows[i] != want {
			t.Fatalf("row %d: %+v, want %+v", i, w.tape.rows[i], want)
		}
	}
	for i, got := range w.tape.rounds {
		want, err := l.Round(got.Number)
		must(t, err)
		if i > 0 && got.Number != w.tape.rounds[i-1].Number+1 || got.Ms != want.Ms || got.Leader != want.Leader || !slices.Equal(got.Votes, want.Votes) ||
			got.Hash != want.Hash || got.Previous != want.Previous || got.Transactions != want.Transactions {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
	if n := len(w.tape.rounds); uint64(n) != r.Rounds || w.tape.rounds[n-1].Number != l.Totals().Round {
		t.Errorf("%d rounds: %+v", n, r)
	}
}

// equalKeys wants each key that V10 knows to have its answer here.
func (w *world) equalKeys(t *testing.T, l *ledger.Ledger, s store.Store) {
	t.Helper()
	found := uint64(0)
	low, high := all(byKey)
	it, err := s.Iter(store.Meta, store.Range{Low: low, High: high})
	must(t, err)
	for it.Next() {
		var k keyRow
		must(t, readRow(it.Value(), "keys", &k))
		got, err := w.client.Keyed(t.Context(), bank, w.cfg.Shared.Key(k.Caller, v10port.SharedName(k.Key, k.Item)))
		must(t, err)
		at, err := w.client.TransactionAt(t.Context(), got.At, false)
		must(t, err)
		x, err := l.Transaction(v10.TxIDAt(k.Ms, chain.Height(k.Round), k.Place))
		must(t, err)
		leg := chain.ReadLeg(at.Bytes)
		if got.Outcome != k.Outcome || leg.Kind != chain.LegNoted || [16]byte(leg.Reference[16:]) != w.cfg.Shared.Body(x.From, x.To, x.Asset, x.Units.Amount) {
			t.Fatalf("%+v: %+v", k, got)
		}
		found++
	}
	must(t, errors.Join(it.Err(), it.Close()))
	if found != l.Totals().Keys {
		t.Errorf("%d keys, V10 had %d", found, l.Totals().Keys)
	}
}

// equalPieces reads the chain as an auditor does, and wants its pieces of history to be those of the rows.
func (w *world) equalPieces(t *testing.T, r *Report) {
	t.Helper()
	var found [2][]chain.HistoryChunk
	status, err := w.client.Status(t.Context())
	must(t, err)
	for h := client.Height(1); h <= status.Height; h++ {
		block, err := w.client.Block(t.Context(), h)
		must(t, err)
		for _, b := range block.Batches {
			for _, c := range w.piecesOf(t, b.Batch) {
				found[c.Family-1] = append(found[c.Family-1], c)
			}
		}
	}
	var want [2][]chain.HistoryChunk
	for piece := range slices.Chunk(w.tape.rows, int(w.cfg.pieceRows)) {
		want[0] = append(want[0], chunkOfRows(uint64(len(want[0]))+1, piece))
	}
	for piece := range slices.Chunk(w.tape.rounds, int(w.cfg.pieceRows)) {
		want[1] = append(want[1], chunkOfRounds(uint64(len(want[1]))+1, piece))
	}
	if !slices.Equal(found[0], want[0]) || !slices.Equal(found[1], want[1]) || len(want[0]) < 10 {
		t.Errorf("%d and %d pieces in the chain, %d and %d of the rows", len(found[0]), len(found[1]), len(want[0]), len(want[1]))
	}
}

// piecesOf are those that a batch brought.
func (w *world) piecesOf(t *testing.T, batch client.Hash) (found []chain.HistoryChunk) {
	t.Helper()
	receipt, err := w.client.Batch(t.Context(), batch)
	if err != nil { // a batch of transactions
		return nil
	}
	outcomes, err := receipt.Outcomes()
	must(t, err)
	for i, code := range outcomes.Codes {
		if i%2 != 0 || code != chain.OK {
			continue
		}
		legs, err := w.client.Legs(t.Context(), batch, uint32(i), 1)
		if err != nil {
			return nil
		}
		leg := chain.ReadLeg(legs.Records)
		if c, is := leg.Chunk(); is {
			found = append(found, c)
		}
	}
	return found
}
