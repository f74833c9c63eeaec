// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/pgdb"
)

// errMoved is the error of who finds that rows were added meanwhile: he reads anew how many, and passes over them.
var errMoved = fault.Reasoned(fault.TryLater, "imported_moved", "another process adds to the imported history")

// Rows adds rows as one transaction.
func (db *DB) Rows(ctx context.Context, rows []imported.Row) error {
	return db.retry(ctx, chunkMax, "write the imported history", func(ctx context.Context) error {
		rest, after, err := db.extent.Take(rows)
		if err != nil || len(rest) == 0 {
			return err
		}
		return db.write(ctx, after, func(tx pgx.Tx) error { return db.copyRows(ctx, tx, rest) })
	})
}

// Rounds adds rounds likewise.
func (db *DB) Rounds(ctx context.Context, rounds []imported.Round) error {
	return db.retry(ctx, chunkMax, "write the imported history", func(ctx context.Context) error {
		rest, after, err := db.extent.TakeRounds(rounds)
		if err != nil || len(rest) == 0 {
			return err
		}
		return db.write(ctx, after, func(tx pgx.Tx) error { return db.copyRounds(ctx, tx, rest) })
	})
}

// write is a transaction that leads to an extent. The compare-and-set comes first: who is second waits at its row, and then finds it
// changed.
func (db *DB) write(ctx context.Context, after imported.Extent, do func(pgx.Tx) error) error {
	tx, err := db.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // after a commit it does nothing
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"begin", func() error { return db.compareAndSet(ctx, tx, &after) }},
		{"extent", func() error { return do(tx) }},
		{"copied", func() error { return tx.Commit(ctx) }},
		{"commit", func() error { return nil }},
	} {
		if db.step != nil {
			if err := db.step(s.name); err != nil {
				return err
			}
		}
		if err := s.run(); err != nil {
			return err
		}
	}
	db.extent = after
	return nil
}

func (db *DB) compareAndSet(ctx context.Context, tx pgx.Tx, after *imported.Extent) error {
	tag, err := tx.Exec(ctx, updateExtent, int64(after.Rows), int64(after.Rounds), int64(after.Round), int32(after.Place),
		int64(db.extent.Rows), int64(db.extent.Rounds))
	if err == nil && tag.RowsAffected() != 1 {
		db.disconnect() // the next session reads anew
		err = errMoved
	}
	return err
}

// copyRows copies the rows, those of each partition straight into it.
func (db *DB) copyRows(ctx context.Context, tx pgx.Tx, rows []imported.Row) error {
	for len(rows) > 0 {
		part := int64(rows[0].Seq) >> db.bits
		n := min(len(rows), int((part+1)<<db.bits-int64(rows[0].Seq)))
		if part >= db.made {
			if _, err := tx.Exec(ctx, createPartition(part, db.bits)); err != nil {
				return err
			}
		}
		if err := db.encoder.Copy(ctx, tx.Conn(), copyRows(part), n, func(e *pgdb.Encoder, i int) { encodeRow(e, &rows[i]) }); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func encodeRow(e *pgdb.Encoder, r *imported.Row) {
	e.Fields(rowColumnsNo)
	e.Int64(int64(r.Seq))
	e.Int64(int64(r.Ms))
	e.Int64(int64(r.Round))
	e.Int32(r.Place)
	e.Int32(uint32(r.Payer))
	e.Int32(uint32(r.Payee))
	e.Int32(uint32(r.Asset))
	e.Int16(uint16(r.Kind))
	e.Int16(uint16(r.Outcome))
	e.Numeric(r.Amount)
}

func (db *DB) copyRounds(ctx context.Context, tx pgx.Tx, rounds []imported.Round) error {
	votes := make([][]byte, len(rounds))
	for i := range rounds {
		var err error
		if votes[i], err = json.Marshal(append([]string{}, rounds[i].Votes...)); err != nil {
			return fault.Wrap(fault.Internal, err, "write the votes of a round")
		}
	}
	return db.encoder.Copy(ctx, tx.Conn(), copyRounds, len(rounds), func(e *pgdb.Encoder, i int) {
		r := &rounds[i]
		e.Fields(7)
		e.Int64(int64(r.Number))
		e.Int64(int64(r.Ms))
		e.Text(r.Leader)
		e.Bytes(votes[i])
		e.Bytes(r.Hash[:])
		e.Bytes(r.Previous[:])
		e.Int64(int64(r.Transactions))
	})
}

// Finish makes the indexes, one after the other, and says that all is there. One that is there already is not made again.
func (db *DB) Finish(ctx context.Context) error {
	if db.extent.Finished {
		return nil
	}
	rows, rounds, bits := db.extent.Rows, db.extent.Rounds, db.bits
	for part := int64(0); rows > 0 && part <= int64(rows)>>bits; part++ {
		db.config.OnProgress(imported.Progress{Done: min(uint64(part)<<bits, rows), Total: rows})
		for _, statement := range createIndexes(part) {
			if err := db.exec(ctx, "index the imported history", statement); err != nil {
				return err
			}
		}
	}
	if err := db.exec(ctx, "index the imported history", `ANALYZE aurigraph_imported.rows`); err != nil {
		return err
	}
	err := db.retry(ctx, chunkMax, "finish the imported history", func(ctx context.Context) error {
		tag, err := db.conn.Exec(ctx, updateEnd, int64(rows), int64(rounds))
		if err == nil && tag.RowsAffected() != 1 {
			err = fault.New(fault.Conflict, "another process has added to the imported history meanwhile: finish again")
		}
		return err
	})
	if err == nil {
		db.extent.Finished = true
		db.config.OnProgress(imported.Progress{Done: rows, Total: rows})
	}
	return err
}

// exec runs one statement that takes long.
func (db *DB) exec(ctx context.Context, what, statement string) error {
	return db.retry(ctx, indexMax, what, func(ctx context.Context) error {
		_, err := db.conn.Exec(ctx, statement)
		return err
	})
}
