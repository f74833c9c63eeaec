// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/json"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// Read returns the entries behind seq.
func (j *Journal) Read(ctx context.Context, seq uint64) (all []migration.Entry, err error) {
	return all, j.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		rows, err := c.Query(ctx, selectEntries, int64(min(seq, math.MaxInt64)))
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, readEntry)
		return err
	})
}

func readEntry(row pgx.CollectableRow) (e migration.Entry, err error) {
	var seq int64
	var text string
	if err := row.Scan(&seq, &text); err != nil {
		return e, err
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Seq != uint64(seq) {
		return e, fault.New(fault.Corrupt, "entry %d of the journal cannot be read: %s", seq, ifCorrupt)
	}
	return e, nil
}

// Append makes an entry durable.
func (j *Journal) Append(ctx context.Context, seq, term uint64, e migration.Entry) (migration.Entry, error) {
	e.Seq = seq + 1
	text, err := json.Marshal(&e)
	if err != nil {
		return e, fault.Wrap(fault.Invalid, err, "an entry that cannot be written")
	}
	if len(text) > journal.EntryBytesMax {
		return e, fault.New(fault.Invalid, "an entry of %d bytes, at most %d", len(text), journal.EntryBytesMax)
	}
	return e, j.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := mayWrite(ctx, tx, term); err != nil {
			return err
		}
		var last int64
		if err := tx.QueryRow(ctx, selectLast).Scan(&last); err != nil {
			return err
		}
		if uint64(last) != seq {
			return fault.Reasoned(fault.Conflict, journal.ReasonBehind, "the journal is at entry %d, not %d: read it again", last, seq)
		}
		_, err := tx.Exec(ctx, insertEntry, int64(e.Seq), string(text))
		return err
	})
}

// lease is what is known of it, with the time by the same clock.
type lease struct {
	term         uint64
	holder       string
	untilMs, now int64
}

func readLease(ctx context.Context, tx pgx.Tx) (l lease, err error) {
	var term int64
	err = tx.QueryRow(ctx, selectLease).Scan(&term, &l.holder, &l.untilMs, &l.now)
	l.term = uint64(term)
	return l, noRows(err, fault.New(fault.Corrupt, "the journal does not say who has the lease: %s", ifCorrupt))
}

// mayWrite says why a term may not write; nil: it may. Operators may always.
func mayWrite(ctx context.Context, tx pgx.Tx, term uint64) error {
	if term == journal.NoTerm {
		return nil
	}
	l, err := readLease(ctx, tx)
	if err == nil && (l.term != term || l.now >= l.untilMs) {
		err = fault.Reasoned(fault.Conflict, journal.ReasonLease, "the lease of term %d has ended: another controller may drive the migration", term)
	}
	return err
}
