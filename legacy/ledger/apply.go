// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// ApplyRecordsMax bounds the records of one call of Apply, which become one batch.
const ApplyRecordsMax = 4096

// OriginPrefix begins the mark of every batch of applied records; the position of the last follows. Whoever captures this ledger's
// changes passes over what bears it.
const OriginPrefix = "sync:"

// Reasons why records are not applied, beside those of the inbox and of the home table.
const (
	ReasonUnderflow = "underflow" // the payer does not have here what the other ledger debited
	ReasonDiverged  = "diverged"  // what the other ledger says of an id, a key, an account or an asset is not what is here
	ReasonFee       = "fee"       // a fee was charged, and the record does not say who got it
)

func diverged(format string, args ...any) error {
	return fault.Reasoned(fault.Conflict, ReasonDiverged, format+": a person has to compare both ledgers", args...)
}

// HeldError says with which record applying ended. Nothing of its call was written; those before it may be sent again without it.
type HeldError struct {
	Position envelope.Position
	Cause    error // a *fault.Error
}

// Error implements error.
func (e *HeldError) Error() string { return "record " + e.Position.String() + ": " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *HeldError) Unwrap() error { return e.Cause }

// Apply makes the changes of records that the other ledger made, in order, as one batch with the position of the last and its mark.
// Records at or below the position are compared with what is here and left; so each is applied once, however often it is sent. It
// returns the inbox after it. An error is of the whole call, which then wrote nothing: those of Submit; Conflict "inbox_elsewhere" and "fork";
// and a *HeldError for a record that cannot be applied.
func (l *Ledger) Apply(ctx context.Context, records []*envelope.Record) (Inbox, error) {
	if len(records) == 0 || len(records) > ApplyRecordsMax {
		return Inbox{}, fault.New(fault.Invalid, "%d records at once: 1 to %d", len(records), ApplyRecordsMax)
	}
	a := &application{}
	err := l.exclusively(ctx, &write{
		into:   func(r *rounding) error { return a.run(r, records) },
		origin: func() []byte { return []byte(OriginPrefix + a.Source.Origin.String() + ":" + a.Position.String()) },
	})
	if err != nil {
		l.metrics.held.WithLabelValues(fault.ReasonOf(err)).Inc()
		return Inbox{}, err
	}
	l.metrics.applied.Add(float64(a.applied))
	l.metrics.doubled.Add(float64(a.doubled))
	return a.Inbox, nil
}

// application is one call of Apply, as the loop executes it.
type application struct {
	*rounding
	Inbox          // as it will be
	homes   Homes  // at the beginning
	nowMs   uint64 // of the clock
	keys    int    // added
	newest  []byte // key of the newest transaction of the other ledger
	applied int    // records
	doubled int    // records that were applied before
}

func (a *application) run(r *rounding, records []*envelope.Record) (err error) {
	a.rounding, a.nowMs = r, r.totals.Ms
	if a.Inbox, err = readInbox(r.view); err != nil {
		return err
	}
	if a.homes, err = readHomes(r.view); err != nil {
		return err
	}
	if a.newest, err = lastKey(r.base, store.Transactions, byApplied); err != nil {
		return err
	}
	for _, record := range records {
		if err := a.next(record); err != nil {
			return err
		}
	}
	if a.applied == 0 {
		return nil
	}
	r.put(store.Meta, []byte(inboxKey), encodeRow(InboxRowOf(&a.Inbox)))
	return r.expireApplied(a.keys, a.nowMs)
}

// next applies a record, or finds that it is applied.
func (a *application) next(r *envelope.Record) error {
	if r.Source != a.Source {
		return fault.Reasoned(fault.Conflict, ReasonInboxTaken, "a record of %s, and the inbox is open for %s", r.Source, a.Source)
	}
	if r.IsHeartbeat() {
		return fault.New(fault.Invalid, "a heart-beat is no change: leave it out")
	}
	if !a.Position.Before(r.Position) {
		a.doubled++
		return held(r, a.again(r))
	}
	// A copy may stand anywhere between two records: without a tag the previous one may lie below it.
	if r.Previous != a.Position && !(a.Tag.IsZero() && r.Previous.Before(a.Position)) {
		return fault.Reasoned(fault.Conflict, ReasonInboxElsewhere, "the record at %s follows %s, and the inbox stands at %s", r.Position, r.Previous, a.Position)
	}
	if !a.Tag.IsZero() && r.PreviousTag != a.Tag {
		return fault.Reasoned(fault.Conflict, envelope.ReasonFork, "the record at %s does not continue what was applied at %s", r.Position, a.Position)
	}
	if err := a.change(r); err != nil {
		return held(r, err)
	}
	a.Position, a.Tag = r.Position, r.Tag
	a.applied++
	return nil
}

// held names the record in an error that is about it. The store's own are not.
func held(r *envelope.Record, err error) error {
	if err == nil || fault.Is(err, fault.Corrupt) || fault.Is(err, fault.Internal) {
		return err
	}
	return &HeldError{r.Position, err}
}

// again compares a record that was applied before with what it left.
func (a *application) again(r *envelope.Record) error {
	if r.Position == a.Position && !a.Tag.IsZero() && r.Tag != a.Tag {
		return fault.Reasoned(fault.Conflict, envelope.ReasonFork, "another record was applied at %s", r.Position)
	}
	key, row := appliedRow(r.Change)
	if row == nil {
		return nil
	}
	_, err := a.compare(key, row)
	return err
}

// compare reports whether a row is there; it is Conflict if another one is.
func (a *application) compare(at rowKey, row []byte) (there bool, err error) {
	old, err := a.get(at.family, at.key)
	switch {
	case fault.Is(err, fault.NotFound):
		return false, nil
	case err != nil:
		return false, err
	case string(old) != string(row):
		return true, diverged("row %x of %s is here with other content", at.key, at.family)
	}
	return true, nil
}

// change executes one record.
func (a *application) change(r *envelope.Record) error {
	switch c := r.Change.(type) {
	case *envelope.Transfer:
		return a.deed(r, &c.Deed, func() error { return a.transferred(r, c) })
	case *envelope.AccountOpened:
		return a.deed(r, &c.Deed, func() error { return a.opened(c) })
	case *envelope.AssetCreated:
		return a.deed(r, &c.Deed, func() error { return a.created(r, c) })
	case *envelope.Issued:
		return a.deed(r, &c.Deed, func() error { return a.issued(r, c) })
	case *envelope.Redeemed:
		return a.deed(r, &c.Deed, func() error { return a.redeemed(r, c) })
	case *envelope.Refusal:
		return a.answer(&c.Request, appliedKeyRow{Ms: c.TimeMs, Outcome: c.Outcome, Refusal: true, Reason: c.Reason})
	case *envelope.Barrier:
		return nil // it counts by its position
	}
	at, row := appliedRow(r.Change) // a block or a round
	if _, err := a.compare(at, row); err != nil {
		return err
	}
	a.put(at.family, at.key, row)
	return nil
}

// deed executes an order of the other ledger, and notes the transaction and the answer under its key.
func (a *application) deed(r *envelope.Record, d *envelope.Deed, execute func() error) error {
	at, row := appliedRow(r.Change)
	// The other ledger's time never goes back: what is above the newest is not looked for, and that is nearly all.
	if bytes.Compare(at.key, a.newest) > 0 {
		a.newest = at.key
	} else if there, err := a.compare(at, row); err != nil {
		return err
	} else if there {
		return diverged("transaction %s is here, and its record was not applied", d.ID)
	}
	a.totals.Ms = d.ID.Ms // of what is opened and made by it
	if err := execute(); err != nil {
		return err
	}
	a.put(at.family, at.key, row)
	for _, name := range partiesOf(r.Change) {
		a.put(at.family, append(within(byAppliedParty, name), at.key[1:]...), []byte{})
	}
	a.totals.Transactions++
	a.totals.Applied++
	if d.Outcome != chain.OK {
		a.totals.Refused++
	}
	if d.Request == nil {
		return nil
	}
	return a.answer(d.Request, appliedKeyRow{Ms: d.ID.Ms, Height: uint64(d.ID.Height), Place: d.ID.Place(), Outcome: d.Outcome})
}

// answer keeps what a client was told, unless that says nothing of the payment: another ledger, or another order, has the last word.
func (a *application) answer(q *envelope.Request, row appliedKeyRow) error {
	if row.Outcome == chain.NotHome || row.Outcome == chain.Duplicate {
		return nil
	}
	a.keys++
	return a.keepKey(q, row, a.nowMs)
}

// referenceText is how a row has a reference: in hex, nothing if there is none.
func referenceText(ref [32]byte) string {
	if ref == ([32]byte{}) {
		return ""
	}
	return hex.EncodeToString(ref[:])
}

// AsHeld returns the record with which a call of Apply ended, if its error is of one.
func AsHeld(err error) (*HeldError, bool) {
	var h *HeldError
	ok := errors.As(err, &h)
	return h, ok
}
