// SPDX-License-Identifier: Apache-2.0

package history_test

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// TestGap: what a peer's state stands for is not called unknown.
func TestGap(t *testing.T) {
	s := memstore.New()
	h := history.New(s, nil)
	_, _, err := h.TxReceipt(chain.Hash{1})
	want(t, "a transaction of a store that has all", err, fault.NotFound, "not executed")
	var changes store.Changes
	if err := store.Adopt(s, &changes, 20, []byte("header"), []byte("certificate"), []byte("proposal"), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(&changes, true); err != nil {
		t.Fatal(err)
	}
	_, _, err = h.TxReceipt(chain.Hash{1})
	want(t, "a transaction", err, fault.Pruned, "ask another node")
	_, err = h.Receipt(chain.Hash{1})
	want(t, "a batch", err, fault.Pruned, "ask")
	_, err = h.Block(7)
	want(t, "a block in the gap", err, fault.Pruned, "ask another node")
	_, err = h.Block(21)
	want(t, "a block beyond it", err, fault.NotFound, "no block")
	if from, err := h.BatchesFrom(); from != 21 || err != nil {
		t.Errorf("batches are known from %d, %v", from, err)
	}
}
