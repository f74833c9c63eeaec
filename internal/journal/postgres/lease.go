// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurigraph/aurigraph/internal/journal"
)

// Lease takes or renews the lease.
func (j *Journal) Lease(ctx context.Context, holder string, length time.Duration) (term uint64, err error) {
	var refused error
	err = j.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		have, ms, err := readLease(ctx, tx)
		if err != nil {
			return err
		}
		var now journal.Lease
		now, refused = have.Take(holder, length, ms)
		if term = now.Term; now == have {
			return nil
		}
		_, err = tx.Exec(ctx, updateLease, int64(now.Term), now.Holder, now.UntilMs)
		return err
	})
	if err == nil {
		err = refused
	}
	return term, err
}

// Driver is who has it.
func (j *Journal) Driver(ctx context.Context) (holder string, left time.Duration, err error) {
	err = j.transaction(ctx, func(ctx context.Context, tx pgx.Tx) error {
		have, now, err := readLease(ctx, tx)
		holder, left = have.Driver(now)
		return err
	})
	return holder, left, err
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
	if err := journal.CheckSnapshot(text); err != nil {
		return err
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
