// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"hash/crc32"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// HomeMovesMax bounds the history of the home table. A move that would pass it is refused.
const HomeMovesMax = 10_000

// Reasons of the home table.
const (
	ReasonHomeVersion = "home_version" // another version is next
	ReasonHomeAhead   = "home_ahead"   // a record knows a later version than this ledger: tell it, then send the record again
	ReasonNotHome     = "not_home"     // the other ledger did not own the slot at the version that it names
)

// Move gives the slots From..To, both included, an owner from a version of the home table on.
type Move struct {
	Version uint64 `json:"version"`
	From    uint16 `json:"from"`
	To      uint16 `json:"to"`
	Other   bool   `json:"other,omitempty"` // to the other ledger, whose records may debit its accounts; else to this one
}

// Homes is the home table with its history, so that a record is judged by the table that its maker had. At first this ledger owns
// all slots.
type Homes struct {
	Version uint64 `json:"version"`
	Moves   []Move `json:"moves"`
}

// SlotOf is the slot of an account that has none of its own: CRC-32/IEEE of its name modulo chain.SlotsMax.
func SlotOf(name string) uint16 { return uint16(crc32.ChecksumIEEE([]byte(name)) % chain.SlotsMax) }

// slotOf is the slot of any account.
func (r *rounding) slotOf(name string) uint16 {
	if slot, own := r.named[name]; own {
		return slot
	}
	return SlotOf(name)
}

// other reports whether the other ledger owned a slot at a version. Unavailable: the version is not known here yet.
func (h *Homes) other(slot uint16, version uint64) (owned bool, err error) {
	if version > h.Version {
		return false, fault.Reasoned(fault.Unavailable, ReasonHomeAhead,
			"a record knows version %d of the home table, this ledger %d: tell it the moves between, then send the record again", version, h.Version)
	}
	for _, m := range h.Moves {
		if m.Version <= version && m.From <= slot && slot <= m.To {
			owned = m.Other
		}
	}
	return owned, nil
}

// Homes returns the home table.
func (l *Ledger) Homes() (Homes, error) { return readHomes(newView(l.store)) }

func readHomes(v *view) (h Homes, err error) {
	err = v.read(store.Meta, []byte(homesKey), &h)
	if fault.Is(err, fault.NotFound) {
		err = nil
	}
	return h, err
}

// MoveHomes makes the next version of the home table, which must be that of all moves; the first may be any, with which the other ledger
// began. Told again it is nothing. Conflict: another version is next.
func (l *Ledger) MoveHomes(ctx context.Context, moves []Move) error {
	if len(moves) == 0 {
		return fault.New(fault.Invalid, "name at least one range of slots")
	}
	last := chain.SlotsMax - 1 + len(l.cfg.Named)
	for _, m := range moves {
		if m.From > m.To || int(m.To) > last || m.Version != moves[0].Version {
			return fault.New(fault.Invalid, "slots %d to %d of version %d: ranges within 0 to %d, all of one version (%d accounts have a slot of their own here: is it the alias key that was made with the network?)",
				m.From, m.To, m.Version, last, len(l.cfg.Named))
		}
	}
	return l.exclusively(ctx, &write{into: func(r *rounding) error { return r.move(moves) }})
}

func (r *rounding) move(moves []Move) error {
	h, err := readHomes(r.view)
	version := moves[0].Version
	switch {
	case err != nil:
		return err
	case len(h.Moves) > 0 && version == h.Version && h.ends(moves):
		return nil
	case len(h.Moves) > 0 && version != h.Version+1:
		return fault.Reasoned(fault.Conflict, ReasonHomeVersion, "version %d of the home table cannot follow %d", version, h.Version)
	case len(h.Moves)+len(moves) > HomeMovesMax:
		return fault.Reasoned(fault.Refused, "home_moves", "the home table has %d moves, at most %d: join neighbouring ranges", len(h.Moves), HomeMovesMax)
	}
	h.Version, h.Moves = version, append(h.Moves, moves...)
	r.totals.HomeVersion = version
	r.put(store.Meta, []byte(homesKey), encodeRow(h))
	return nil
}

// ends reports whether moves are just those of the newest version.
func (h *Homes) ends(moves []Move) bool {
	at := len(h.Moves) - len(moves)
	if at < 0 || at > 0 && h.Moves[at-1].Version == h.Version {
		return false
	}
	for i, m := range moves {
		if h.Moves[at+i] != m {
			return false
		}
	}
	return true
}
