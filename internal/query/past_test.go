// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"bytes"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/store"
)

// past is a world with a batch of 40 legs, of which leg 3 failed, and three transactions in one batch, of which the last
// failed.
type past struct {
	batch, txs chain.Receipt
	signed     [][]byte
	ids        []chain.Hash
}

func newPast(w *world) (p past) {
	legs := make([]chain.Leg, 40)
	for i := range legs {
		legs[i] = pay(house, alice, gold, uint64(i+1))
	}
	legs[3] = pay(alice, bob, gold, 1<<40)
	p.batch = w.Batch(legs...)
	for _, body := range []chain.Body{
		&chain.Transfer{To: bob, Asset: gold, Amount: chain.Units(1)}, &chain.OpenAccounts{Count: 2}, &chain.Transfer{To: bob, Asset: gold, Amount: chain.Units(1 << 50)},
	} {
		signed, id := w.Tx(house, govKey, body)
		p.signed, p.ids = append(p.signed, signed), append(p.ids, id)
	}
	p.txs = w.Txs(p.signed...)
	return p
}

func TestTransaction(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := newPast(w)
		outcomes := []chain.Outcome{chain.OK, chain.OK, chain.InsufficientFunds}
		for i, id := range p.ids {
			x, err := w.Transaction(t.Context(), id, true)
			if err != nil || x.Leg || x.Outcome != outcomes[i] || x.Item != uint32(i) || x.Receipt.Batch != p.txs.Batch || !bytes.Equal(x.Bytes, p.signed[i]) {
				t.Fatalf("transaction %d: %+v %v", i, x, err)
			}
			if (x.Result != 0) != (i == 1) || i == 1 && x.Result != uint32(ported)+1 {
				t.Errorf("transaction %d has result %d", i, x.Result)
			}
			if placed, err := w.ProveTx(t.Context(), &x.Receipt, uint32(i)); err != nil || !bytes.Equal(placed.Item, x.Proof.Item) || !bytes.Equal(placed.Front, x.Proof.Front) {
				t.Errorf("transaction %d is not proved by its place: %v", i, err)
			}
			if _, err := w.ProveTx(t.Context(), &x.Receipt, 3); err == nil {
				t.Error("an item that is not there was proved")
			}
			front, err := codec.VerifySlice(x.Proof.Front, 0, uint64(codec.TxBatchBytes(3, 0)), p.txs.Batch)
			if err != nil {
				t.Fatal(err)
			}
			offset, length, err := codec.TxSpan(front, x.Item)
			if err != nil {
				t.Fatal(err)
			}
			if raw, err := codec.VerifySlice(x.Proof.Item, offset, length, p.txs.Batch); err != nil || !bytes.Equal(raw, p.signed[i]) {
				t.Errorf("transaction %d is not proved: %v", i, err)
			}
		}
		for _, item := range []uint32{0, 3, 39} {
			x, err := w.Transaction(t.Context(), chain.NewLegID(p.batch.Batch, item), true)
			if err != nil || !x.Leg || x.Item != item || x.Result != 0 || (x.Outcome == chain.OK) == (item == 3) || (item != 3 && chain.ReadLeg(x.Bytes).Amount != chain.Units(uint64(item)+1)) {
				t.Fatalf("leg %d: %+v %v", item, x, err)
			}
			offset, length := codec.LegSpan(item)
			if raw, err := codec.VerifySlice(x.Proof.Item, offset, length, p.batch.Batch); err != nil || !bytes.Equal(raw, x.Bytes) {
				t.Errorf("leg %d is not proved: %v", item, err)
			}
			if _, err := codec.VerifySlice(x.Proof.Front, 0, chain.BatchHeaderBytes, p.batch.Batch); err != nil {
				t.Errorf("the front of leg %d: %v", item, err)
			}
		}
		x, err := w.Transaction(t.Context(), p.ids[0], false)
		if err != nil || x.Proof != nil || len(x.Bytes) == 0 {
			t.Errorf("without proof: %+v %v", x, err)
		}
		_, err = w.Transaction(t.Context(), chain.Hash{1}, true)
		want(t, "absent", err, fault.NotFound, "no transaction or leg")
		alike := p.ids[0]
		alike[31]++ // the look-up knows the first half of an id
		_, err = w.Transaction(t.Context(), alike, false)
		want(t, "an id that begins alike", err, fault.NotFound, "was not executed here")
	})
}

func TestLegs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := newPast(w)
		for _, c := range []struct{ from, count uint32 }{{0, 1}, {0, 40}, {39, 1}, {7, 11}} {
			l, err := w.Legs(t.Context(), p.batch.Batch, c.from, c.count)
			if err != nil || len(l.Records) != int(c.count)*chain.LegBytes || l.Receipt.Location != p.batch.Location {
				t.Fatalf("%+v: %+v %v", c, l, err)
			}
			offset, _ := codec.LegSpan(c.from)
			raw, err := codec.VerifySlice(l.Proof.Item, offset, uint64(len(l.Records)), p.batch.Batch)
			if err != nil || !bytes.Equal(raw, l.Records) {
				t.Errorf("%+v is not proved: %v", c, err)
			}
		}
		for name, c := range map[string]struct{ from, count uint32 }{
			"none": {0, 0}, "too many": {0, 41}, "behind": {40, 1}, "far behind": {1 << 31, 1 << 31}, "above the bound": {0, query.LegsMax + 1},
		} {
			_, err := w.Legs(t.Context(), p.batch.Batch, c.from, c.count)
			want(t, name, err, fault.Invalid, "that exist")
		}
		_, err := w.Legs(t.Context(), p.txs.Batch, 0, 1)
		want(t, "of transactions", err, fault.Invalid, "that exist")
		_, err = w.Legs(t.Context(), chain.Hash{1}, 0, 1)
		want(t, "of nothing", err, fault.NotFound, "was not executed here")
	})
}

func TestBatchAndBlock(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, err := w.Block(t.Context(), 0)
		want(t, "the newest of none", err, fault.NotFound, "")
		p := newPast(w)
		for _, r := range []chain.Receipt{p.batch, p.txs} {
			if got, err := w.Query.Batch(t.Context(), r.Batch); err != nil || got.Location != r.Location {
				t.Errorf("%+v %v", got, err)
			}
		}
		b, err := w.Block(t.Context(), p.batch.Location.Height)
		line := query.BlockBatch{Batch: p.batch.Batch, Kind: chain.PayloadBatch, Legs: 40, LegsOK: 39}
		if err != nil || b.Header.Height != p.batch.Location.Height || b.Hash != codec.Sum(p.batch.Header) || len(b.Batches) != 1 || b.Batches[0] != line ||
			!bytes.Equal(b.HeaderBytes, p.batch.Header) || !bytes.Equal(b.CertBytes, p.batch.Certificate) {
			t.Errorf("%+v %v", b, err)
		}
		if b, err = w.Block(t.Context(), p.txs.Location.Height); err != nil || b.Batches[0].Kind != chain.PayloadTxs || b.Batches[0].LegsOK != 2 {
			t.Errorf("%+v %v", b, err)
		}
		if b, err = w.Block(t.Context(), 0); err != nil || b.Header.Height != w.Loop.Height() {
			t.Errorf("%+v %v", b, err)
		}
		_, err = w.Block(t.Context(), 9999)
		want(t, "block", err, fault.NotFound, "no block 9999")
		_, err = w.Query.Batch(t.Context(), chain.Hash{1})
		want(t, "batch", err, fault.NotFound, "was not executed here")
	})
}

// Behind retention the fate is known, the content is not.
func TestPrunedPayload(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := newPast(w)
		leg := chain.NewLegID(p.batch.Batch, 3)
		w.fill(6)
		w.Recycle(1)
		for _, id := range [][32]byte{p.ids[1], leg} {
			x, err := w.Transaction(t.Context(), id, false)
			if err != nil || x.Bytes != nil || x.Receipt.Batch.IsZero() || x.Leg && x.Outcome != chain.InsufficientFunds || !x.Leg && x.Result != uint32(ported)+1 {
				t.Errorf("%+v %v", x, err)
			}
			_, err = w.Transaction(t.Context(), id, true)
			want(t, "a proof", err, fault.Pruned, "archive")
		}
		_, err := w.Legs(t.Context(), p.batch.Batch, 0, 1)
		want(t, "legs", err, fault.Pruned, "archive")
		if _, err := w.Query.Batch(t.Context(), p.batch.Batch); err != nil {
			t.Error(err)
		}
	})
}

// Rows and payloads that do not belong together are Corrupt, and nothing panics.
func TestDamage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := newPast(w)
		leg := chain.NewLegID(p.batch.Batch, 3)
		at, txsAt := p.batch.Location, p.txs.Location
		long := at
		long.Legs = 5000
		transaction := func(id [32]byte) func() error {
			return func() error { _, err := w.Transaction(t.Context(), id, true); return err }
		}
		legs := func() error { _, err := w.Legs(t.Context(), p.batch.Batch, 4000, 9); return err }
		for _, c := range []struct {
			name  string
			write func(*store.Changes)
			read  func() error
			kind  fault.Kind
			word  string
		}{
			{"outcomes", func(c *store.Changes) { store.WriteOutcome(c, at.Height, 0, []byte("rubbish")) }, transaction(leg), fault.Corrupt, "do not have item 3"},
			{"fewer outcomes", func(c *store.Changes) {
				store.WriteOutcome(c, at.Height, 0, codec.Outcomes{Codes: make([]chain.Outcome, 3)}.AppendPacked(nil))
			}, transaction(leg), fault.Corrupt, "do not have item 3"},
			{"a transaction in a client batch", func(c *store.Changes) {
				store.WriteTx(c, p.ids[0], store.TxPlace{Height: at.Height, Item: 2})
			}, transaction(p.ids[0]), fault.Corrupt, "another kind"},
			{"a leg in transactions", func(c *store.Changes) {
				store.WriteOutcome(c, at.Height, 0, p.txs.Outcomes)
			}, transaction(chain.NewLegID(p.batch.Batch, 2)), fault.Corrupt, "another kind"},
			{"another payload", func(c *store.Changes) {
				l := at
				l.Segment, l.Offset, l.Bytes, l.Seq = txsAt.Segment, txsAt.Offset, txsAt.Bytes, txsAt.Seq
				store.WritePlace(c, at.Height, 0, codec.AppendLocation(nil, l))
			}, transaction(leg), fault.Corrupt, "none for item 3"},
			{"another payload of transactions", func(c *store.Changes) {
				l := txsAt
				l.Segment, l.Offset, l.Bytes, l.Seq = at.Segment, at.Offset, at.Bytes, at.Seq
				store.WritePlace(c, txsAt.Height, 0, codec.AppendLocation(nil, l))
			}, transaction(p.ids[0]), fault.Corrupt, "the payload"},
			{"another item", func(c *store.Changes) {
				store.WriteTx(c, p.ids[0], store.TxPlace{Height: txsAt.Height, Item: 1})
			}, transaction(p.ids[0]), fault.NotFound, "was not executed"},
			{"more legs than there are", func(c *store.Changes) { store.WritePlace(c, at.Height, 0, codec.AppendLocation(nil, long)) }, legs, fault.Corrupt, "ends before leg 4009"},
			{"no payload", func(c *store.Changes) {
				l := at
				l.Segment += 100
				store.WritePlace(c, at.Height, 0, codec.AppendLocation(nil, l))
			}, transaction(leg), fault.Corrupt, "payload of batch 0"},
		} {
			before, err := w.Store.Iter(store.Range{})
			if err != nil {
				t.Fatal(err)
			}
			var damage, repair store.Changes
			c.write(&damage)
			if err := w.Store.Apply(&damage, false); err != nil {
				t.Fatal(err)
			}
			want(t, c.name, c.read(), c.kind, c.word)
			for before.Next() {
				repair.Put(before.Key(), before.Value())
			}
			before.Close()
			if err := w.Store.Apply(&repair, false); err != nil {
				t.Fatal(err)
			}
		}
		if err := transaction(leg)(); err != nil {
			t.Errorf("all repaired: %v", err)
		}
	})
}

// A payload that does not hash to the id in the header proves nothing.
func TestProofOfAnotherPayload(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := newPast(w)
		q := query.New(query.Parts{History: history.New(w.Store, func(l chain.Location) ([]byte, error) {
			raw, err := w.History.Payload(l)
			raw[len(raw)-1]++
			return raw, err
		})})
		for name, err := range map[string]error{
			"leg":  func() error { _, err := q.Transaction(t.Context(), chain.NewLegID(p.batch.Batch, 0), true); return err }(),
			"legs": func() error { _, err := q.Legs(t.Context(), p.batch.Batch, 0, 1); return err }(),
		} {
			want(t, name, err, fault.Corrupt, "does not hash to it")
		}
	})
}
