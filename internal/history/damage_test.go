// SPDX-License-Identifier: Apache-2.0

package history_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// A damaged row of any table is Corrupt, and the text says which one.
func TestCorruptRows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *historytest.World) {
		r := w.Batch(pay(house, alice, gold, 5))
		signed, txID := w.Tx(house, historytest.GovernanceKey, &chain.Transfer{To: bob, Asset: gold, Amount: chain.Units(1)})
		txs := w.Txs(signed)
		at, txAt := r.Location.Height, txs.Location.Height
		elsewhere := codec.AppendLocation(nil, txs.Location)
		legID := chain.NewLegID(r.Batch, 0)
		rubbish := []byte("rubbish")
		reads := map[string]func() error{
			"receipt":   func() error { _, err := w.History.Receipt(r.Batch); return err },
			"leg":       func() error { _, _, err := w.History.Leg(legID); return err },
			"tx":        func() error { _, _, err := w.History.TxReceipt(txID); return err },
			"block":     func() error { _, err := w.History.Block(at); return err },
			"transfers": func() error { return w.History.Transfers(at, func(*history.Transfer) error { return nil }) },
			"txs":       func() error { return w.History.Transfers(txAt, func(*history.Transfer) error { return nil }) },
			"header":    func() error { _, _, err := w.History.Header(at); return err },
			"retained":  func() error { _, err := w.History.Retained(at, at); return err },
		}
		for _, c := range []struct {
			row   string
			write func(*store.Changes)
			reads string
			kind  fault.Kind
			word  string
		}{
			{"header", func(c *store.Changes) { store.WriteHeader(c, at, rubbish) }, "receipt leg block transfers header retained", fault.Corrupt, "block "},
			{"certificate gone", func(c *store.Changes) { store.DeleteCertificate(c, at) }, "receipt leg block", fault.Corrupt, "no certificate"},
			{"batch", func(c *store.Changes) { store.WriteBatch(c, r.Batch, rubbish) }, "receipt leg", fault.Corrupt, "location of"},
			{"batch leads elsewhere", func(c *store.Changes) { store.WriteBatch(c, r.Batch, elsewhere) }, "receipt", fault.Corrupt, "leads to"},
			{"batch leads to another", func(c *store.Changes) {
				l := txs.Location
				l.Kind = chain.PayloadBatch
				store.WriteBatch(c, r.Batch, codec.AppendLocation(nil, l))
			}, "leg", fault.Corrupt, "leads to"},
			{"place", func(c *store.Changes) { store.WritePlace(c, at, 0, rubbish) }, "receipt leg block transfers retained", fault.Corrupt, "place of batch 0"},
			{"place gone", func(c *store.Changes) { store.DeletePlace(c, at, 0) }, "receipt leg block transfers retained", fault.Corrupt, "batch 0 of block"},
			{"pruned", func(c *store.Changes) {
				store.DeletePlace(c, at, 0)
				store.WriteBatchesFrom(c, at+1)
			}, "receipt leg block transfers", fault.Pruned, "archive"},
			{"outcomes", func(c *store.Changes) { store.WriteOutcome(c, at, 0, rubbish) }, "block transfers", fault.Corrupt, "outcomes of batch 0"},
			{"outcomes gone", func(c *store.Changes) { store.DeleteOutcome(c, at, 0) }, "receipt leg block transfers", fault.Corrupt, "batch 0 of block"},
			{"outcomes pruned", func(c *store.Changes) {
				store.DeleteOutcome(c, at, 0)
				store.WriteBatchesFrom(c, at+1)
			}, "receipt leg block transfers", fault.Pruned, "archive"},
			{"batch pruned", func(c *store.Changes) {
				store.DeleteBatch(c, r.Batch)
				store.WriteBatchesFrom(c, at+1)
			}, "receipt leg", fault.Pruned, "archive"},
			{"outcomes of another length", func(c *store.Changes) {
				store.WriteOutcome(c, at, 0, codec.Outcomes{Codes: make([]chain.Outcome, 2)}.AppendPacked(nil))
			}, "transfers", fault.Corrupt, "1 legs have 2 outcomes"},
			{"outcomes of another length", func(c *store.Changes) {
				store.WriteOutcome(c, txAt, 0, codec.Outcomes{Codes: make([]chain.Outcome, 2)}.AppendPacked(nil))
			}, "txs", fault.Corrupt, "1 transactions have 2 outcomes"},
			{"kind", func(c *store.Changes) {
				l := r.Location
				l.Kind = chain.PayloadTxs
				store.WritePlace(c, at, 0, codec.AppendLocation(nil, l))
			}, "transfers", fault.Corrupt, "payload of batch 0"},
			{"kind", func(c *store.Changes) {
				l := txs.Location
				l.Kind = chain.PayloadBatch
				store.WritePlace(c, txAt, 0, codec.AppendLocation(nil, l))
			}, "txs", fault.Corrupt, "payload of batch 0"},
			{"tx", func(c *store.Changes) { c.Put(append([]byte{'x'}, txID[:store.TxPrefixBytes]...), rubbish) }, "tx", fault.Corrupt, "place of transaction"},
			{"place of nothing written", func(c *store.Changes) {
				l := r.Location
				l.Segment += 100
				store.WritePlace(c, at, 0, codec.AppendLocation(nil, l))
			}, "transfers retained", fault.Corrupt, "payload of batch 0"},
		} {
			before := rows(t, w.Store)
			apply(t, w.Store, c.write)
			for _, name := range strings.Fields(c.reads) {
				want(t, c.row+": "+name, reads[name](), c.kind, c.word)
			}
			restore(t, w.Store, before)
		}
		for name, read := range reads {
			if err := read(); err != nil {
				t.Errorf("%s, all restored: %v", name, err)
			}
		}
	})
}

func rows(t *testing.T, s store.Reader) (all [][2][]byte) {
	t.Helper()
	it, err := s.Iter(store.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for it.Next() {
		all = append(all, [2][]byte{bytes.Clone(it.Key()), bytes.Clone(it.Value())})
	}
	return all
}

func restore(t *testing.T, s store.Store, all [][2][]byte) {
	t.Helper()
	apply(t, s, func(c *store.Changes) {
		c.DeleteRange([]byte{1}, []byte{255})
		for _, kv := range all {
			c.Put(kv[0], kv[1])
		}
	})
}

// A store that does not answer is no empty store.
func TestStoreGone(t *testing.T) {
	s := memstore.New()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	h := history.New(s, nil)
	for name, read := range map[string]func() error{
		"receipt":  func() error { _, err := h.Receipt(chain.Hash{}); return err },
		"tx":       func() error { _, _, err := h.TxReceipt(chain.Hash{}); return err },
		"leg":      func() error { _, _, err := h.Leg(chain.LegID{}); return err },
		"block":    func() error { _, err := h.Block(0); return err },
		"header":   func() error { _, _, err := h.Header(1); return err },
		"holding":  func() error { _, _, err := h.Holding(1, 1, 1); return err },
		"place":    func() error { _, err := h.Place(1, 0); return err },
		"retained": func() error { _, err := h.Retained(1, 2); return err },
	} {
		want(t, name, read(), fault.Unavailable, "")
	}
}
