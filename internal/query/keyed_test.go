// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"reflect"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/query"
)

// keyed is a payment of gold from house to alice under a key.
func keyed(key byte, units uint64) chain.Leg {
	leg := pay(house, alice, gold, units)
	leg.Arg, leg.Reference = chain.LegKeyed, chain.KeyedReference(chain.IdempotencyKey{key}, [16]byte{key, 1})
	return leg
}

// Whoever has a receipt of a keyed leg finds it under its key, and a repeat finds the first.
func TestKeyed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		r := w.Batch(pay(house, alice, gold, 1), keyed(1, 5), keyed(2, 1<<40))
		again := w.Batch(keyed(1, 6))
		if o := w.Outcomes(again); o.Codes[0] != chain.Duplicate {
			t.Fatal(o)
		}
		header, err := codec.DecodeHeader(r.Header)
		if err != nil {
			t.Fatal(err)
		}
		for i, outcome := range []chain.Outcome{chain.OK, chain.InsufficientFunds} {
			k, err := w.Keyed(ctx, historytest.Governance, chain.IdempotencyKey{byte(i + 1)})
			if err != nil || k.Height < again.Location.Height {
				t.Fatal(k, err)
			}
			k.Height = 0
			at := query.Place{Height: r.Location.Height, Index: r.Location.Index, Item: uint32(i + 1)}
			if want := (query.Keyed{Found: true, At: at, Outcome: outcome, TimeUs: header.TimeUs}); *k != want {
				t.Errorf("%+v, must be %+v", *k, want)
			}
			x, err := w.TransactionAt(ctx, k.At, true)
			if err != nil || x.Outcome != outcome {
				t.Fatal(x, err)
			}
			if leg := chain.ReadLeg(x.Bytes); [16]byte(leg.Reference[16:]) != [16]byte{byte(i + 1), 1} {
				t.Errorf("%+v", leg)
			}
		}
		for _, institution := range []chain.InstitutionNo{0, historytest.Bank, 99} {
			if k, err := w.Keyed(ctx, institution, chain.IdempotencyKey{1}); err != nil || k.Found || k.Height == 0 || k.At != (query.Place{}) {
				t.Errorf("institution %d: %+v %v", institution, k, err)
			}
		}
		_, err = w.Keyed(ctx, historytest.Governance, chain.IdempotencyKey{})
		want(t, "no key", err, fault.Invalid, "no idempotency key")
		s, err := w.Status(ctx)
		if counts := (ledger.KeyedCounts{Living: 2, Max: chain.IdempotencyKeysDefault, Duplicates: 1}); err != nil || s.Keyed != counts {
			t.Errorf("%+v %v", s.Keyed, err)
		}
	})
}

// What stands at a place is what its id finds.
func TestTransactionAt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		p := newPast(w)
		ids := map[query.Place][32]byte{}
		for i, id := range p.ids {
			ids[query.Place{Height: p.txs.Location.Height, Item: uint32(i)}] = id
		}
		for _, i := range []uint32{0, 3, 39} {
			ids[query.Place{Height: p.batch.Location.Height, Item: i}] = chain.NewLegID(p.batch.Batch, i)
		}
		for at, id := range ids {
			for _, proof := range []bool{false, true} {
				byID, err := w.Transaction(ctx, id, proof)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := w.TransactionAt(ctx, at, proof); err != nil || !reflect.DeepEqual(got, byID) {
					t.Errorf("%+v: %+v %v, by id %+v", at, got, err, byID)
				}
			}
		}
		for name, at := range map[string]query.Place{
			"block":       {Height: 9999},
			"genesis":     {},
			"batch":       {Height: p.batch.Location.Height, Index: 1},
			"leg":         {Height: p.batch.Location.Height, Item: 40},
			"transaction": {Height: p.txs.Location.Height, Item: 3},
		} {
			_, err := w.TransactionAt(ctx, at, false)
			want(t, name, err, fault.NotFound, "")
		}

		// A batch that was refused whole is found by its place, and by no id; so are bytes beside transactions.
		late, err := chain.NewBatch(chain.BatchHeader{Chain: historytest.Chain, Institution: historytest.Governance, Key: govKey, Sequence: 1, ValidUntil: 50_000}, []chain.Leg{pay(house, alice, gold, 1)})
		if err != nil {
			t.Fatal(err)
		}
		stale := w.Payload(chain.PayloadBatch, late.Bytes())
		if x, err := w.TransactionAt(ctx, query.Place{Height: stale.Location.Height}, true); err != nil || x.Outcome != chain.Stale {
			t.Errorf("%+v %v", x, err)
		}
		_, err = w.Transaction(ctx, chain.NewLegID(stale.Batch, 0), false)
		want(t, "a stale leg by its id", err, fault.NotFound, "")
		odd := w.Txs([]byte("these are no transaction's bytes"), p.signed[0])
		_, err = w.TransactionAt(ctx, query.Place{Height: odd.Location.Height}, false)
		want(t, "odd bytes", err, fault.NotFound, "no transaction")
		if x, err := w.TransactionAt(ctx, query.Place{Height: odd.Location.Height, Item: 1}, true); err != nil || x.Outcome != chain.NonceUsed || x.ID != p.ids[0] {
			t.Errorf("%+v %v", x, err)
		}

		w.fill(6)
		w.Recycle(1)
		x, err := w.TransactionAt(ctx, query.Place{Height: p.batch.Location.Height, Item: 3}, false)
		if err != nil || x.Bytes != nil || x.Outcome != chain.InsufficientFunds || x.ID != chain.NewLegID(p.batch.Batch, 3) {
			t.Errorf("%+v %v", x, err)
		}
		_, err = w.TransactionAt(ctx, query.Place{Height: p.batch.Location.Height, Item: 3}, true)
		want(t, "a proof", err, fault.Pruned, "archive")
		_, err = w.TransactionAt(ctx, query.Place{Height: p.txs.Location.Height}, false)
		want(t, "a transaction", err, fault.Pruned, "archive")
	})
}
