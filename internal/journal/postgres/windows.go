// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
)

// AddWindow adds one, and thins out where there are too many.
func (j *Journal) AddWindow(ctx context.Context, w journal.Window) error {
	text, err := json.Marshal(&w)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "a window that cannot be written")
	}
	n := j.windows.Load()
	err = j.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, upsertWindow, int64(w.AtMs), string(text)); err != nil {
			return err
		}
		if n++; n > 1 && n <= journal.WindowsMax { // counting goes through the whole table
			return nil
		}
		if err := tx.QueryRow(ctx, countWindows).Scan(&n); err != nil || n <= journal.WindowsMax {
			return err
		}
		if _, err := tx.Exec(ctx, thinWindows, n/2); err != nil {
			return err
		}
		return tx.QueryRow(ctx, countWindows).Scan(&n)
	})
	if err != nil {
		n = 0
	}
	j.windows.Store(n)
	return err
}

// Windows returns those that are kept.
func (j *Journal) Windows(ctx context.Context) (all []journal.Window, err error) {
	return all, j.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		rows, err := c.Query(ctx, selectWindows)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (w journal.Window, err error) {
			var text string
			if err := row.Scan(&text); err != nil {
				return w, err
			}
			return w, fault.Wrap(fault.Corrupt, json.Unmarshal([]byte(text), &w), "a window of the journal cannot be read")
		})
		return err
	})
}
