// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// TestHandovers finds the beginning of an epoch by its state, and says when a handover is missing or damaged.
func TestHandovers(t *testing.T) {
	s := memstore.New()
	apply := func(e chain.Epoch, raw []byte) {
		t.Helper()
		var c store.Changes
		store.WriteHandover(&c, e, raw)
		if err := s.Apply(&c, true); err != nil {
			t.Fatal(err)
		}
	}
	proved := func(e chain.Epoch, height chain.Height, root byte) []byte {
		p := &chain.ProvedHandover{Handover: chain.Handover{Height: height, Root: chain.Hash{root}, Next: chain.Membership{Epoch: e}}}
		return codec.AppendProvedHandover(nil, p)
	}
	if rows, err := store.ReadHandovers(s, chain.FirstHandover); err != nil || len(rows) != 0 {
		t.Errorf("before the first: %x, %v", rows, err)
	}
	apply(2, proved(2, 40, 1))
	apply(3, proved(3, 90, 2))
	if rows, err := store.ReadHandovers(s, 3); err != nil || len(rows) != 1 {
		t.Errorf("from the third epoch on: %x, %v", rows, err)
	}
	for _, c := range []struct {
		height chain.Height
		root   byte
		epoch  chain.Epoch // 0: none begins so
	}{{40, 1, 2}, {90, 2, 3}, {90, 1, 0}, {41, 1, 0}} {
		p, err := store.ReadBeginning(s, c.height, chain.Hash{c.root})
		if c.epoch == 0 && !fault.Is(err, fault.NotFound) || c.epoch != 0 && (err != nil || p.Next.Epoch != c.epoch) {
			t.Errorf("height %d, root %d: %+v, %v", c.height, c.root, p, err)
		}
	}
	apply(5, proved(5, 120, 3))
	if _, err := store.ReadHandovers(s, chain.FirstHandover); !fault.Is(err, fault.Corrupt) {
		t.Errorf("the fourth is missing: %v", err)
	}
	apply(4, []byte("damaged"))
	if _, err := store.ReadBeginning(s, 120, chain.Hash{3}); !fault.Is(err, fault.Corrupt) {
		t.Errorf("the fourth is damaged: %v", err)
	}
	if _, err := store.ReadHandover(s, 9); !fault.Is(err, fault.NotFound) {
		t.Errorf("the ninth: %v", err)
	}
}
