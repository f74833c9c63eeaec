// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
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

// HomeVersionBefore is the version of the home table when the block of a height began.
func (q *Query) HomeVersionBefore(ctx context.Context, h chain.Height) (version uint64, err error) {
	_, err = q.view(ctx, func(l *ledger.Ledger) error {
		version = l.HomeVersionBefore(h)
		return nil
	})
	return version, err
}

// HomeMove is how a version of the home table was made: Tx is the id of the MoveSlots or AbortMove.
type HomeMove = ledger.HomeMove

// HomeMove finds how a version was made. NotFound: it does not exist yet, or is the genesis's.
func (q *Query) HomeMove(ctx context.Context, version uint64) (m HomeMove, err error) {
	_, err = q.view(ctx, func(l *ledger.Ledger) error {
		var made bool
		if m, made = l.HomeMove(version); !made {
			return fault.New(fault.NotFound, "nothing made version %d of the home table, which is at %d", version, l.HomeVersion())
		}
		return nil
	})
	return m, err
}

// HomeTable is the home table as of Height, and who may change it.
type HomeTable struct {
	Height  chain.Height // certified
	Version uint64
	V10     []chain.SlotRange // slots that V10 owns, in order
	Mover   chain.KeyNo       // 0: governance alone
	Guard   [chain.Ed25519KeyBytes]byte
}

// HomeTable reads the home table whole.
func (q *Query) HomeTable(ctx context.Context) (*HomeTable, error) {
	t := &HomeTable{}
	height, err := q.view(ctx, func(l *ledger.Ledger) error {
		*t = HomeTable{Version: l.HomeVersion()}
		t.Mover, t.Guard = l.Mover()
		for slot := range uint16(chain.SlotNone) {
			if !l.OwnedByV10(slot) {
				continue
			}
			if n := len(t.V10); n > 0 && t.V10[n-1].To+1 == slot {
				t.V10[n-1].To = slot
				continue
			}
			t.V10 = append(t.V10, chain.SlotRange{From: slot, To: slot})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.Height = height
	return t, nil
}
