// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"encoding/binary"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Tx is a transaction as both sides can say it: names and numbers are hashes of V10's names, 0 if there is none.
type Tx struct {
	Ms, Round       uint64 // Round is a height for V11's
	Place           uint32
	Kind, Outcome   uint8
	Sound           bool // of V10's: its round's hash is that of its rows
	Dup             bool // of V10's: a row too many in its round, and the same as the one before
	Stray           bool // of V10's: it lies in no round
	Unread          bool // what follows could not be read
	From, To, Asset uint64
	Amount          chain.Amount
	Reference       [32]byte
	// Cells of the sums it is in, and rows that follow from it; 0: none.
	FromCell, ToCell, SupplyCell uint64
	FromRow, ToRow               uint64
}

// before orders transactions by their place in V10; of V11's by time first, as V10 keeps them.
func (t *Tx) before(u *Tx) bool {
	return t.Round < u.Round || t.Round == u.Round && t.Place < u.Place
}

func (t *Tx) at(u *Tx) bool { return t.Round == u.Round && t.Place == u.Place }

// key is V10's id of it, as clients have it.
func (t *Tx) key() string {
	if t.Place >= v10.PlacesPerBlockMax {
		return strconv.FormatUint(t.Round, 10) + "." + strconv.FormatUint(uint64(t.Place), 10)
	}
	return v10.TxIDAt(t.Ms, chain.Height(t.Round), t.Place).String()
}

// cellsOf fills in what follows from the parties.
func (h hasher) cellsOf(t *Tx) {
	if t.From != 0 && t.Asset != 0 {
		t.FromCell = h.words(ofCell, t.From, t.Asset)
	}
	if t.To != 0 && t.Asset != 0 {
		t.ToCell = h.words(ofCell, t.To, t.Asset)
	}
	if t.Asset != 0 && (t.Kind == kindIssue || t.Kind == kindRedeem) {
		t.SupplyCell = h.words(ofSupply, t.Asset, 0)
	}
}

// enter adds what a transaction moved to sums.
func (t *Tx) enter(s *Sketch) {
	if t.Outcome != uint8(chain.OK) || t.Unread || t.Stray {
		return
	}
	t.each(s.Add, s.Take)
}

// each calls add and take for what an executed transaction moved.
func (t *Tx) each(add, take func(cell uint64, a chain.Amount)) {
	switch t.Kind {
	case kindTransfer:
		if t.FromCell != 0 {
			take(t.FromCell, t.Amount)
		}
		if t.ToCell != 0 {
			add(t.ToCell, t.Amount)
		}
	case kindIssue:
		if t.ToCell != 0 {
			add(t.ToCell, t.Amount)
		}
		if t.SupplyCell != 0 {
			add(t.SupplyCell, t.Amount)
		}
	case kindRedeem:
		if t.FromCell != 0 {
			take(t.FromCell, t.Amount)
		}
		if t.SupplyCell != 0 {
			take(t.SupplyCell, t.Amount)
		}
	}
}

// names makes hashes of V10's names.
type names struct{ hasher }

func (n *names) of(domain uint64, name []byte) uint64 {
	if len(name) == 0 {
		return 0
	}
	return n.bytes(domain, name)
}

// fill makes a Tx of a row that was read.
func (n *names) fill(t *Tx, r *v10Transaction) {
	t.Ms, t.Kind, t.Outcome, t.Amount, t.Reference = r.Ms, r.Kind, r.Outcome, r.Units, r.Reference
	t.From, t.To, t.Asset = n.of(ofName, r.From), n.of(ofName, r.To), n.of(ofCode, r.Asset)
	n.cellsOf(t)
	n.rowsOf(t)
}

// rowsOf fills in V10's rows by party.
func (n *names) rowsOf(t *Tx) {
	at := t.Round<<20 ^ uint64(t.Place)
	if t.From != 0 {
		t.FromRow = n.words(ofParty, t.From, at)
	}
	if t.To != 0 && t.To != t.From {
		t.ToRow = n.words(ofParty, t.To, at)
	}
}

func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
