// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// Inbox is whose records are let in and the newest that was applied: what envelope.Start is to a reader. Tag is zero where the inbox was
// opened at a copy.
type Inbox = envelope.Start

// Reasons of the inbox.
const (
	ReasonInboxClosed    = "inbox_closed"    // nobody opened it
	ReasonInboxElsewhere = "inbox_elsewhere" // the records do not go on from where it stands: read the position, go on from there
	ReasonInboxTaken     = "inbox_taken"     // it is open for another ledger, or an earlier or the same life with other words
)

// InboxRow is an inbox as it is stored and sent: bytes in hex, the position as text.
type InboxRow struct {
	Ledger      string          `json:"ledger"`
	Origin      envelope.Origin `json:"origin"`
	Life        uint32          `json:"life"`
	Incarnation string          `json:"incarnation"`
	Position    string          `json:"position"`
	Tag         string          `json:"tag"`
}

// InboxRowOf writes an inbox.
func InboxRowOf(in *Inbox) InboxRow {
	return InboxRow{
		Ledger: in.Source.Ledger.String(), Origin: in.Source.Origin, Life: in.Source.Life, Incarnation: in.Source.Incarnation.String(),
		Position: in.Position.String(), Tag: in.Tag.String(),
	}
}

// Inbox reads what InboxRowOf wrote; anything else is Invalid.
func (row *InboxRow) Inbox() (in Inbox, err error) {
	in.Source.Origin, in.Source.Life = row.Origin, row.Life
	in.Position, err = envelope.ParsePosition(row.Position)
	err = errors.Join(err, fill(in.Source.Ledger[:], row.Ledger), fill(in.Source.Incarnation[:], row.Incarnation), fill(in.Tag[:], row.Tag))
	return in, fault.Wrap(fault.Invalid, err, "ledger, incarnation and tag are hex digits, position is MAJOR.MINOR")
}

// fill reads hex digits for all of dst.
func fill(dst []byte, text string) error {
	raw, err := hex.DecodeString(text)
	if err == nil && len(raw) != len(dst) {
		err = fault.New(fault.Invalid, "%d bytes, not %d", len(raw), len(dst))
	}
	copy(dst, raw)
	return err
}

// Inbox returns the inbox. Refused: nobody opened it.
func (l *Ledger) Inbox() (Inbox, error) { return readInbox(newView(l.store)) }

func readInbox(v *view) (Inbox, error) {
	var row InboxRow
	err := v.read(store.Meta, []byte(inboxKey), &row)
	if fault.Is(err, fault.NotFound) {
		return Inbox{}, fault.Reasoned(fault.Refused, ReasonInboxClosed, "no inbox is open: say whose records are to be applied, and from where on")
	}
	if err != nil {
		return Inbox{}, err
	}
	in, err := row.Inbox()
	return in, fault.Wrap(fault.Corrupt, err, "row of the inbox")
}

// OpenInbox lets records of a ledger in from a position on, which is that of the copy that both began with. Opening again with the same
// words is nothing, wherever the inbox stands by then; the next life of the same ledger may follow. Conflict: anything else is open.
func (l *Ledger) OpenInbox(ctx context.Context, in Inbox) error {
	if err := in.Source.Check(); err != nil {
		return err
	}
	w := &write{into: func(r *rounding) error {
		is, err := readInbox(r.view)
		switch {
		case err == nil && is.Source == in.Source:
			return nil
		case err == nil && (is.Source.Ledger != in.Source.Ledger || is.Source.Origin != in.Source.Origin || in.Source.Life != is.Source.Life+1):
			return fault.Reasoned(fault.Conflict, ReasonInboxTaken, "the inbox is open for %s: only that ledger's next life can follow", is.Source)
		case err != nil && fault.ReasonOf(err) != ReasonInboxClosed:
			return err
		}
		r.put(store.Meta, []byte(inboxKey), encodeRow(InboxRowOf(&in)))
		return nil
	}}
	return l.exclusively(ctx, w)
}
