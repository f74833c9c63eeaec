// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
)

// Lease takes or renews the lease.
func (j *Journal) Lease(ctx context.Context, holder string, length time.Duration) (term uint64, err error) {
	return term, j.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		l, err := readLease(ctx, tx)
		switch {
		case err != nil:
			return err
		case l.now < l.untilMs && l.holder != holder:
			return fault.Reasoned(fault.Conflict, journal.ReasonLease, "%s drives the migration, for %d ms at least", l.holder, l.untilMs-l.now)
		}
		if term = l.term; l.now >= l.untilMs {
			term++
		}
		_, err = tx.Exec(ctx, updateLease, int64(term), holder, l.now+length.Milliseconds())
		return err
	})
}

// Release gives it back.
func (j *Journal) Release(ctx context.Context, term uint64) error {
	return j.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, endLease, int64(term))
		return err
	})
}

// SaveSnapshot replaces it.
func (j *Journal) SaveSnapshot(ctx context.Context, term uint64, text []byte) error {
	if len(text) > journal.SnapshotBytesMax {
		return fault.New(fault.Invalid, "a snapshot of %d bytes, at most %d", len(text), journal.SnapshotBytesMax)
	}
	return j.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := mayWrite(ctx, tx, term); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, upsertSnapshot, text)
		return err
	})
}

// Snapshot returns it.
func (j *Journal) Snapshot(ctx context.Context) (text []byte, err error) {
	return text, j.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return noRows(c.QueryRow(ctx, selectSnapshot).Scan(&text), nil)
	})
}
