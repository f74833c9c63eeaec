// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
)

// TestHomes: the table says of each slot what the ledger says, and is the same one as long as nothing moved.
func TestHomes(t *testing.T) {
	inWorldOf(t, historytest.StartBesideV10, func(t *testing.T, w *world) {
		h, err := w.Homes(t.Context(), nil)
		if err != nil || h.Version == 0 || !h.Any() {
			t.Fatalf("%v", err)
		}
		for slot := range uint16(chain.SlotNone) {
			if h.OnV10(slot) != (slot == historytest.PortedSlot) {
				t.Fatalf("slot %d: %v", slot, h.OnV10(slot))
			}
		}
		if h.OnV10(chain.SlotNone) {
			t.Error("who has no slot is V10's")
		}
		if again, err := w.Homes(t.Context(), h); err != nil || again != h {
			t.Errorf("%p, then %p, %v", h, again, err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := w.Homes(gone, h); err == nil {
			t.Error("who left is answered")
		}
	})
	inWorld(t, func(t *testing.T, w *world) {
		if h, err := w.Homes(t.Context(), nil); err != nil || h.Any() {
			t.Errorf("without a V10: %v", err)
		}
	})
}
