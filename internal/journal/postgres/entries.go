// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
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
	return journal.Decode(uint64(seq), []byte(text), ifCorrupt)
}

// Append makes an entry durable.
func (j *Journal) Append(ctx context.Context, seq, term uint64, e migration.Entry) (migration.Entry, error) {
	text, err := journal.Encode(seq+1, &e)
	if err != nil {
		return e, err
	}
	return e, j.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := mayWrite(ctx, tx, term); err != nil {
			return err
		}
		var last int64
		if err := tx.QueryRow(ctx, selectLast).Scan(&last); err != nil {
			return err
		}
		if err := journal.Follows(uint64(last), seq); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertEntry, int64(e.Seq), string(text))
		return err
	})
}

// readLease reads it, with the time by the same clock.
func readLease(ctx context.Context, tx pgx.Tx) (l journal.Lease, nowMs int64, err error) {
	var term int64
	err = tx.QueryRow(ctx, selectLease).Scan(&term, &l.Holder, &l.UntilMs, &nowMs)
	l.Term = uint64(term)
	return l, nowMs, noRows(err, fault.New(fault.Corrupt, "the journal does not say who has the lease: %s", ifCorrupt))
}

// mayWrite says why a term may not write; nil: it may. Operators may always.
func mayWrite(ctx context.Context, tx pgx.Tx, term uint64) error {
	if term == journal.NoTerm {
		return nil
	}
	l, now, err := readLease(ctx, tx)
	if err == nil {
		err = l.MayWrite(term, now)
	}
	return err
}
