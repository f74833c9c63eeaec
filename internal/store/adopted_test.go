// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

func putBlock(c *store.Changes, h chain.Height) {
	store.WriteHeader(c, h, []byte{'h', byte(h)})
	store.WriteCertificate(c, h, []byte{'c', byte(h)})
	store.WriteProposal(c, h, []byte{'p', byte(h)})
	store.WritePlace(c, h, 0, []byte("l"))
	store.WriteOutcome(c, h, 0, []byte("o"))
	store.WriteBatch(c, chain.Hash{byte(h)}, []byte("b"))
	store.WriteTx(c, chain.Hash{byte(h)}, store.TxPlace{Height: h})
	store.WriteHolding(c, 1, 1, h, []byte("v"))
}

func adopt(t *testing.T, s store.Store, h chain.Height) {
	t.Helper()
	apply(t, s, func(c *store.Changes) {
		if err := store.Adopt(s, c, h, []byte("H"), []byte("C"), []byte("P"), [][]byte{[]byte("one"), nil, []byte("three")}); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAdopt adopts twice, with blocks before, between and after.
func TestAdopt(t *testing.T) {
	s := memstore.New()
	if _, err := store.ReadAdopted(s); !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	apply(t, s, func(c *store.Changes) { putBlock(c, 1); putBlock(c, 2) })
	adopt(t, s, 10)
	apply(t, s, func(c *store.Changes) { putBlock(c, 11) })
	adopt(t, s, 12) // nothing between
	adopt(t, s, 20)
	a, err := store.ReadAdopted(s)
	if err != nil || a.Height != 20 || !slices.Equal(a.Holes, []store.Hole{{From: 3, To: 9}, {From: 13, To: 19}}) || len(a.Ahead) != 3 {
		t.Fatalf("%+v, %v", a, err)
	}
	for h := chain.Height(1); h <= 24; h++ {
		_, err := store.ReadHeader(s, h)
		here := h <= 2 || h >= 10 && h <= 12 || h == 20
		if (err == nil) != here || a.Missing(h) == here && h <= 20 {
			t.Errorf("height %d: %v, missing %t", h, err, a.Missing(h))
		}
		if _, err := store.ReadPlace(s, h, 0); err == nil {
			t.Errorf("height %d has a place", h)
		}
		raw, err := store.ReadHeaderAhead(s, h)
		if ahead := h > 20 && h <= 23; (err == nil) != (here || ahead) || h == 21 && string(raw) != "one" {
			t.Errorf("height %d with what came ahead: %q, %v", h, raw, err)
		}
	}
	if h, raw, err := store.LastHeader(s); h != 20 || string(raw) != "H" || err != nil {
		t.Errorf("head %d, %q, %v", h, raw, err)
	}
	if _, err := store.ReadBatch(s, chain.Hash{2}); !fault.Is(err, fault.Pruned) {
		t.Errorf("a batch from before: %v", err)
	}
	if from, err := store.ReadBatchesFrom(s); from != 21 || err != nil {
		t.Errorf("batches from %d, %v", from, err)
	}
	if p, err := store.ReadTx(s, chain.Hash{2}); p.Height != 2 || err != nil {
		t.Errorf("a transaction from before: %+v, %v", p, err)
	}
	if _, _, err := store.ReadHolding(s, 1, 1, 99); !fault.Is(err, fault.NotFound) {
		t.Errorf("a version from before the hole: %v", err)
	}
	apply(t, s, func(c *store.Changes) {
		if err := store.Adopt(s, c, 30, []byte("H"), nil, []byte("P"), nil); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := store.ReadCertificate(s, 30); !fault.Is(err, fault.NotFound) {
		t.Errorf("the certificate of a block for which a seal stands: %v", err)
	}
	if err := store.Adopt(s, new(store.Changes), 20, nil, nil, nil, nil); !fault.Is(err, fault.Conflict) {
		t.Errorf("a state that is there: %v", err)
	}
}

// TestHolesBound adopts more often than holes are kept: the oldest ones grow together, and what lay between them goes.
func TestHolesBound(t *testing.T) {
	s := memstore.New()
	const more = 3
	for i := range chain.Height(store.HolesMax + more) {
		adopt(t, s, 10*(i+1))
	}
	a, err := store.ReadAdopted(s)
	if err != nil || len(a.Holes) != store.HolesMax || a.Holes[0] != (store.Hole{From: 1, To: 10*more + 9}) || a.Holes[1].From != 10*more+11 {
		t.Fatalf("%d holes, the first %+v, %v", len(a.Holes), a.Holes[:2], err)
	}
	for h := chain.Height(10); h <= 10*more; h += 10 {
		if _, err := store.ReadHeader(s, h); !fault.Is(err, fault.NotFound) {
			t.Errorf("header %d: %v", h, err)
		}
	}
	if _, err := store.ReadHeader(s, 10*more+10); err != nil {
		t.Error(err)
	}
}

func TestAdoptedRecordDamaged(t *testing.T) {
	s := memstore.New()
	adopt(t, s, 10)
	whole, err := store.ReadMeta(s, "adopted")
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		v := whole[:n:n]
		if n == len(whole) {
			v = append(v, 0)
		}
		apply(t, s, func(c *store.Changes) { store.WriteMeta(c, "adopted", v) })
		if _, err := store.ReadAdopted(s); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if _, err := store.ReadHeaderAhead(s, 11); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%d bytes, a header ahead: %v", n, err)
		}
	}
}
