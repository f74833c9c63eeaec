// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// TestGapHeaders has headers in a hole: they are found as what they are, and are no part of the chain.
func TestGapHeaders(t *testing.T) {
	s := memstore.New()
	apply(t, s, func(c *store.Changes) {
		putBlock(c, 2)
		for h := chain.Height(3); h < 10; h++ {
			store.WriteGapHeader(c, h, []byte{'g', byte(h)})
		}
		store.WriteGapHeader(c, 20, []byte("above"))
	})
	adopt(t, s, 30)
	apply(t, s, func(c *store.Changes) { store.DropGapHeaders(c, 5) })
	for h, want := range map[chain.Height]string{1: "", 2: "h\x02", 3: "", 4: "", 5: "g\x05", 9: "g\x09", 10: "", 20: "above", 30: "H", 31: ""} {
		if raw, err := store.ReadAnyHeader(s, h); string(raw) != want || (want == "") != fault.Is(err, fault.NotFound) {
			t.Errorf("height %d: %q, %v", h, raw, err)
		}
	}
	if _, err := store.ReadHeader(s, 5); !fault.Is(err, fault.NotFound) {
		t.Errorf("it is in the chain: %v", err)
	}
	if h, _, err := store.LastHeader(s); h != 30 || err != nil {
		t.Errorf("the chain ends at %d, %v", h, err)
	}
}
