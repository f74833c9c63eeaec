// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// Homes says which slots V10 owns, as of a version of the home table. It does not change.
type Homes struct {
	Version uint64
	owned   [(1 << 16) / 64]uint64
	any     bool
}

// OnV10 reports whether V10 owns a slot. chain.SlotNone nobody owns.
func (h *Homes) OnV10(slot uint16) bool { return h.owned[slot/64]>>(slot%64)&1 != 0 }

// Any reports whether V10 owns any slot.
func (h *Homes) Any() bool { return h.any }

// Homes reads the table of homes. last is what it answered before, which is the answer again if nothing moved since; nil at first.
func (q *Query) Homes(ctx context.Context, last *Homes) (*Homes, error) {
	now := last
	_, err := q.view(ctx, func(l *ledger.Ledger) error {
		if last == nil || last.Version != l.HomeVersion() {
			now = homesOf(l)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}

func homesOf(l *ledger.Ledger) *Homes {
	h := &Homes{Version: l.HomeVersion()}
	for slot := range uint16(chain.SlotNone) {
		if l.OwnedByV10(slot) {
			h.owned[slot/64] |= 1 << (slot % 64)
			h.any = true
		}
	}
	return h
}
