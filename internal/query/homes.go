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
	open    bool
}

// OnV10 reports whether V10 owns a slot. chain.SlotNone nobody owns.
func (h *Homes) OnV10(slot uint16) bool { return h.owned[slot/64]>>(slot%64)&1 != 0 }

// Any reports whether V10 owns any slot.
func (h *Homes) Any() bool { return h.any }

// Migrating reports whether V10 owns slots or may again: the migration was not closed.
func (h *Homes) Migrating() bool { return h.open }

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
	h := &Homes{Version: l.HomeVersion(), owned: l.V10Homes(), open: l.MigrationOpen()}
	h.any = h.owned != [len(h.owned)]uint64{}
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

// Closed is the height at which the migration was closed, 0 if it was not.
func (q *Query) Closed(ctx context.Context) (height chain.Height, err error) {
	_, err = q.view(ctx, func(l *ledger.Ledger) error {
		height, _ = l.Closed()
		return nil
	})
	return height, err
}

// HomeMove is how a version of the home table was made: Tx is the id of the MoveSlots, AbortMove or CloseMigration.
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
	Closed  bool // the migration is over: nothing moves any more
}

// HomeTable reads the home table whole. Routers and movers ask for it all the time, so the ledger is held for a copy of its words only.
func (q *Query) HomeTable(ctx context.Context) (*HomeTable, error) {
	t, homes := &HomeTable{}, &Homes{}
	height, err := q.view(ctx, func(l *ledger.Ledger) error {
		*t = HomeTable{Version: l.HomeVersion()}
		t.Mover, t.Guard = l.Mover()
		_, t.Closed = l.Closed()
		homes = homesOf(l)
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.Height, t.V10 = height, homes.ranges()
	return t, nil
}

// ranges lists the slots that V10 owns, in order, as few ranges as there can be.
func (h *Homes) ranges() (all []chain.SlotRange) {
	for slot := range uint16(chain.SlotNone) {
		switch n := len(all); {
		case !h.OnV10(slot):
		case n > 0 && all[n-1].To+1 == slot:
			all[n-1].To = slot
		default:
			all = append(all, chain.SlotRange{From: slot, To: slot})
		}
	}
	return all
}
