// SPDX-License-Identifier: Apache-2.0

package history_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The words of the world.
const (
	house, alice, bob, carol = historytest.House, historytest.Alice, historytest.Bob, historytest.Carol
	gold, silver             = historytest.Gold, historytest.Silver
)

var pay = historytest.Pay

// inWorld runs a test in a running network.
func inWorld(t *testing.T, f func(t *testing.T, w *historytest.World)) {
	synctest.Test(t, func(t *testing.T) { f(t, historytest.Start(t, nil)) })
}

func apply(t *testing.T, s store.Store, fill func(*store.Changes)) {
	t.Helper()
	var c store.Changes
	fill(&c)
	if err := s.Apply(&c, false); err != nil {
		t.Fatal(err)
	}
}

// want checks an error's kind, and that its text has a word that helps.
func want(t *testing.T, name string, err error, kind fault.Kind, word string) {
	t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(err.Error(), word) {
		t.Errorf("%s: %v (%v), must be %v with %q", name, err, fault.KindOf(err), kind, word)
	}
}

func TestReceipts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *historytest.World) {
		first := w.Batch(pay(house, alice, gold, 5), pay(alice, bob, gold, 5000))
		signed, id := w.Tx(house, historytest.GovernanceKey, &chain.Issue{To: bob, Asset: silver, Amount: chain.Units(9)})
		other, otherID := w.Tx(bob, historytest.BankKey, &chain.Transfer{To: alice, Asset: silver, Amount: chain.Units(99)})
		second := w.Txs(signed, other)
		for _, r := range []chain.Receipt{first, second} {
			header, hash, err := w.History.Header(r.Location.Height)
			if err != nil || hash != codec.Sum(r.Header) || header.Batches[r.Location.Index].Batch != r.Batch {
				t.Errorf("header of %+v: %+v %v", r.Location, header, err)
			}
			if o := w.Outcomes(r); o.Hash() != header.Batches[r.Location.Index].Outcomes {
				t.Errorf("outcomes %v are not those of the header", o)
			}
			if cert, err := codec.DecodeCertificate(r.Certificate); err != nil || cert.Header != hash {
				t.Errorf("certificate: %v", err)
			}
			again, err := w.History.Receipt(r.Batch)
			if err != nil || again.Location != r.Location || !bytes.Equal(again.Outcomes, r.Outcomes) || !bytes.Equal(again.Header, r.Header) {
				t.Errorf("by id: %+v %v", again, err)
			}
			payload, err := w.History.Payload(r.Location)
			if err != nil || codec.Sum(payload) != r.Batch {
				t.Errorf("payload: %v", err)
			}
		}
		if o := w.Outcomes(first); o.Codes[0] != chain.OK || o.Codes[1] != chain.InsufficientFunds {
			t.Error(o)
		}
		for item, txID := range []chain.Hash{id, otherID} {
			r, at, err := w.History.TxReceipt(txID)
			if err != nil || r.Batch != second.Batch || at != uint32(item) {
				t.Errorf("transaction %d: %+v %d %v", item, r.Location, at, err)
			}
		}
		for item := range uint32(2) {
			r, at, err := w.History.Leg(chain.NewLegID(first.Batch, item))
			if err != nil || r.Batch != first.Batch || at != item {
				t.Errorf("leg %d: %+v %d %v", item, r.Location, at, err)
			}
		}
		absent(t, w, first, second)
	})
}

func absent(t *testing.T, w *historytest.World, batch, txs chain.Receipt) {
	t.Helper()
	h := w.History
	_, err := h.Receipt(chain.Hash{1})
	want(t, "batch", err, fault.NotFound, "was not executed here")
	_, _, err = h.TxReceipt(chain.Hash{1})
	want(t, "transaction", err, fault.NotFound, "was not executed here")
	for name, id := range map[string]chain.LegID{
		"leg of no batch": {1}, "leg behind the last": chain.NewLegID(batch.Batch, 2), "leg of transactions": chain.NewLegID(txs.Batch, 0),
	} {
		_, _, err = h.Leg(id)
		want(t, name, err, fault.NotFound, "no transaction or leg")
	}
	_, err = h.ReceiptAt(10_000, 0)
	want(t, "receipt of no block", err, fault.NotFound, "no block 10000")
	_, err = h.ReceiptAt(batch.Location.Height, 1)
	want(t, "receipt of no batch", err, fault.NotFound, "no batch 1")
	_, err = h.Block(10_000)
	want(t, "block", err, fault.NotFound, "no block 10000")
	_, _, err = h.Header(10_000)
	want(t, "header", err, fault.NotFound, "no block 10000")
	err = h.Transfers(10_000, nil)
	want(t, "transfers", err, fault.NotFound, "no block 10000")
	header, _, _ := h.Header(batch.Location.Height)
	err = h.BatchTransfers(header, 1, nil)
	want(t, "transfers of no batch", err, fault.NotFound, "no batch 1")
}

func TestBlocks(t *testing.T) {
	_, err := history.New(memstore.New(), nil).Block(0)
	want(t, "newest of nothing", err, fault.NotFound, "")
	inWorld(t, func(t *testing.T, w *historytest.World) {
		r := w.Batch(pay(house, alice, gold, 5), pay(alice, bob, gold, 5000), pay(house, bob, gold, 1))
		w.Settle()
		b, err := w.History.Block(r.Location.Height)
		if err != nil || b.Hash != codec.Sum(b.HeaderBytes) || len(b.Batches) != 1 || b.Batches[0].LegsOK != 2 || b.Batches[0].Location != r.Location {
			t.Errorf("%+v %v", b, err)
		}
		newest, err := w.History.Block(0)
		if err != nil || newest.Header.Height != w.Loop.Height() || newest.Header.Height <= r.Location.Height || len(newest.Batches) != 0 {
			t.Errorf("%+v %v", newest, err)
		}
	})
}

// Of two batches whose ids begin alike, the one that has the leg is found.
func TestLegsOfBatchesThatBeginAlike(t *testing.T) {
	s := memstore.New()
	ids := []chain.Hash{{7, 31: 1}, {7, 31: 2}, {7, 31: 3}}
	header := &chain.ExecutedHeader{Height: 4}
	for i, id := range ids {
		header.Batches = append(header.Batches, chain.BatchResult{Batch: id, Legs: []uint32{2, 9, 5}[i]})
	}
	apply(t, s, func(c *store.Changes) {
		store.WriteHeader(c, 4, codec.AppendHeader(nil, header))
		store.WriteCertificate(c, 4, nil)
		for i, line := range header.Batches {
			kind := chain.PayloadBatch
			if i == 1 {
				kind = chain.PayloadTxs
			}
			loc := codec.AppendLocation(nil, chain.Location{Height: 4, Index: uint32(i), Kind: kind, Legs: line.Legs})
			store.WriteBatch(c, line.Batch, loc)
			store.WritePlace(c, 4, uint32(i), loc)
			store.WriteOutcome(c, 4, uint32(i), []byte("outcomes"))
		}
	})
	h := history.New(s, nil)
	for item, found := range map[uint32]chain.Hash{0: ids[0], 1: ids[0], 2: ids[2], 4: ids[2]} {
		r, at, err := h.Leg(chain.NewLegID(ids[0], item))
		if err != nil || r.Batch != found || at != item {
			t.Errorf("leg %d: %s, %d, %v", item, r.Batch, at, err)
		}
	}
	_, _, err := h.Leg(chain.NewLegID(ids[0], 5))
	want(t, "leg 5", err, fault.NotFound, "no transaction or leg")
}

func TestHoldings(t *testing.T) {
	inWorld(t, func(t *testing.T, w *historytest.World) {
		_, _, err := w.History.Holding(gold, alice, 100)
		want(t, "as genesis made it", err, fault.NotFound, "no block up to 100")
		first := w.Batch(pay(house, alice, gold, 5)).Location.Height
		w.Settle()
		second := w.Batch(pay(alice, house, gold, 1005), pay(house, alice, gold, 1<<40)).Location.Height
		if second < first+2 {
			t.Fatalf("there is no height between %d and %d", first, second)
		}
		for at, amount := range map[chain.Height]uint64{first: 1005, first + 1: 1005, second - 1: 1005, second: 0, second + 1: 0, ^chain.Height(0): 0} {
			got, since, err := w.History.Holding(gold, alice, at)
			wantSince := first
			if at >= second {
				wantSince = second
			}
			if err != nil || got != chain.Units(amount) || since != wantSince {
				t.Errorf("at %d: %v since %d, %v; must be %d since %d", at, got, since, err, amount, wantSince)
			}
		}
		_, _, err = w.History.Holding(gold, alice, first-1)
		want(t, "before", err, fault.NotFound, "no block up to")
		_, _, err = w.History.Holding(silver, alice, second)
		want(t, "not versioned", err, fault.NotFound, "not versioned")
		apply(t, w.Store, func(c *store.Changes) { store.WriteHolding(c, gold, alice, second+1, make([]byte, 15)) })
		_, _, err = w.History.Holding(gold, alice, second+1)
		want(t, "damaged", err, fault.Corrupt, "15 bytes")
	})
}

func TestPruned(t *testing.T) {
	inWorld(t, func(t *testing.T, w *historytest.World) {
		var all []chain.Receipt
		for range 30 {
			legs := make([]chain.Leg, 600)
			for i := range legs {
				legs[i] = pay(house, alice, gold, 1)
			}
			all = append(all, w.Batch(legs...))
		}
		w.Recycle(2)
		oldest, err := w.History.Retained(1, w.Loop.Height())
		if err != nil || oldest <= all[0].Location.Height || oldest > all[29].Location.Height {
			t.Fatalf("the oldest is %d, %v", oldest, err)
		}
		for _, r := range all {
			if again, err := w.History.Receipt(r.Batch); err != nil || again.Location != r.Location {
				t.Errorf("receipt at %d: %v", r.Location.Height, err)
			}
			if b, err := w.History.Block(r.Location.Height); err != nil || b.Batches[0].LegsOK != 600 {
				t.Errorf("block %d: %v", r.Location.Height, err)
			}
			seen := 0
			err := w.History.Transfers(r.Location.Height, func(*history.Transfer) error { seen++; return nil })
			_, payloadErr := w.History.Payload(r.Location)
			if r.Location.Height < oldest {
				want(t, "transfers", err, fault.Pruned, "archive")
				want(t, "payload", payloadErr, fault.Pruned, "archive")
			} else if err != nil || payloadErr != nil || seen != 600 {
				t.Errorf("height %d of %d on: %d transfers, %v, %v", r.Location.Height, oldest, seen, err, payloadErr)
			}
		}
		stop := context.Canceled
		if err := w.History.Transfers(all[29].Location.Height, func(*history.Transfer) error { return stop }); err != stop {
			t.Errorf("the error of each: %v", err)
		}
	})
}
