// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// TestPrunedAnswers asks for rows that are there, were pruned, or never were.
func TestPrunedAnswers(t *testing.T) {
	kept, gone := chain.Hash{1}, chain.Hash{2}
	s := memstore.New()
	apply(t, s, func(c *store.Changes) {
		store.WritePlace(c, 7, 0, []byte("l"))
		store.WriteOutcome(c, 7, 0, []byte("o"))
		store.WriteBatch(c, kept, []byte("b"))
	})
	const found = fault.Kind(255)
	ask := func(h chain.Height, index uint32, id chain.Hash) (kinds [3]fault.Kind) {
		for i, read := range []func() ([]byte, error){
			func() ([]byte, error) { return store.ReadPlace(s, h, index) },
			func() ([]byte, error) { return store.ReadOutcome(s, h, index) },
			func() ([]byte, error) { return store.ReadBatch(s, id) },
		} {
			kinds[i] = found
			if _, err := read(); err != nil {
				kinds[i] = fault.KindOf(err)
			}
		}
		return kinds
	}
	all := func(k fault.Kind) [3]fault.Kind { return [3]fault.Kind{k, k, k} }
	if from, err := store.ReadBatchesFrom(s); from != 1 || err != nil {
		t.Errorf("a store that has all rows has them from %d, %v", from, err)
	}
	if got := ask(6, 0, gone); got != all(fault.NotFound) {
		t.Errorf("never there: %v", got)
	}
	apply(t, s, func(c *store.Changes) { store.WriteBatchesFrom(c, 7) })
	if from, err := store.ReadBatchesFrom(s); from != 7 || err != nil {
		t.Errorf("rows from %d, %v", from, err)
	}
	if got := ask(6, 0, gone); got != all(fault.Pruned) {
		t.Errorf("pruned: %v", got)
	}
	if got := ask(7, 0, kept); got != all(found) {
		t.Errorf("kept: %v", got)
	}
	if got := ask(7, 1, kept); got != [3]fault.Kind{fault.NotFound, fault.NotFound, found} {
		t.Errorf("one too many of a height that is there: %v", got)
	}
	apply(t, s, func(c *store.Changes) { store.WriteMeta(c, "batches_from", []byte{7}) })
	if got := ask(6, 0, gone); got != all(fault.Corrupt) {
		t.Errorf("with a damaged record: %v", got)
	}
	_ = s.Close()
	if _, err := store.ReadBatchesFrom(s); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
