// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Sizes of a partition: the default is 16.8 million transfers, about 4 GB with its indexes.
const (
	PartitionBitsDefault = 24
	partitionBitsMin     = 10
	partitionBitsMax     = 30
)

// chunksBits sets how many chunks a partition has, 1<<chunksBits. The indexes by account begin with the chunk, so that inserts, whose
// accounts are anywhere, touch the few pages of the newest chunk, and not those of the whole partition.
const chunksBits = 8

func (m meta) part(seq int64) int64   { return seq >> m.bits }
func (m meta) first(part int64) int64 { return part << m.bits }

func (m meta) chunk(seq int64) int64      { return seq >> (m.bits - chunksBits) }
func (m meta) firstOfChunk(c int64) int64 { return c << (m.bits - chunksBits) }

func partitionTable(part int64) string { return fmt.Sprintf("aurigraph.transfers_%09d", part) }

// makeAhead makes the partition of a transfer's number and the one behind it, if they are not there.
func (db *DB) makeAhead(ctx context.Context, seq int64) error {
	for last := db.meta.part(seq) + 1; db.made <= last; {
		part := max(db.made, db.meta.part(db.meta.seq))
		if err := db.makePartition(ctx, part); err != nil {
			return err
		}
		db.made = part + 1
	}
	return nil
}

// makePartition is a transaction of its own, made by the present writer only. Attaching takes no lock that stops readers or the copy.
func (db *DB) makePartition(ctx context.Context, part int64) error {
	return pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if err := db.mine(ctx, tx); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO aurigraph.partitions (no, indexed) VALUES ($1, $2) ON CONFLICT (no) DO NOTHING`, part, !db.config.Bare)
		if err != nil || tag.RowsAffected() == 0 {
			return err // it is there
		}
		table := partitionTable(part)
		statements := []string{
			fmt.Sprintf(`CREATE TABLE %s (LIKE aurigraph.transfers)`, table),
			fmt.Sprintf(`ALTER TABLE aurigraph.transfers ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)`, table, db.meta.first(part), db.meta.first(part+1)),
		}
		if !db.config.Bare {
			statements = append(statements, indexesOf(part)...)
		}
		return run(ctx, tx, statements)
	})
}

// indexesOf are the statements for the indexes of a partition: by number, which lists of all go by, by either account, and by V10's id,
// where there is one. Nothing asks for heights but the partitions themselves.
func indexesOf(part int64) []string {
	t, n := partitionTable(part), part
	return []string{
		fmt.Sprintf(`CREATE UNIQUE INDEX IF NOT EXISTS transfers_%09d_seq ON %s (seq)`, n, t),
		fmt.Sprintf(`CREATE INDEX IF NOT EXISTS transfers_%09d_payer ON %s (chunk, payer, seq)`, n, t),
		fmt.Sprintf(`CREATE INDEX IF NOT EXISTS transfers_%09d_payee ON %s (chunk, payee, seq)`, n, t),
		fmt.Sprintf(`CREATE INDEX IF NOT EXISTS transfers_%09d_origin ON %s (v10_round, v10_place) WHERE v10_round > 0`, n, t),
	}
}

func run(ctx context.Context, tx pgx.Tx, statements []string) error {
	for _, s := range statements {
		if _, err := tx.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// mine fails unless this is the writer, and keeps others from becoming it until tx ends.
func (db *DB) mine(ctx context.Context, tx pgx.Tx) error {
	writer := int64(0)
	err := tx.QueryRow(ctx, `SELECT writer FROM aurigraph.meta WHERE id = 1 FOR SHARE`).Scan(&writer)
	if err == nil && writer != db.meta.writer {
		err = fault.Reasoned(fault.Conflict, ReasonMoved, "another process has written to this index meanwhile")
	}
	return err
}

// finishBare indexes bare partitions that are full, and without Config.Bare the last one too.
func (db *DB) finishBare(ctx context.Context) error {
	end := db.meta.part(db.meta.seq)
	if !db.config.Bare {
		end += 2 // made ahead
	}
	rows, err := db.conn.Query(ctx, `SELECT no FROM aurigraph.partitions WHERE NOT indexed AND no < $1 ORDER BY no`, end)
	if err != nil {
		return err
	}
	bare, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(db.ctx, buildIndexMax)
	defer cancel()
	for _, part := range bare {
		if err := db.indexPartition(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) indexPartition(ctx context.Context, part int64) error {
	return pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if err := db.mine(ctx, tx); err != nil {
			return err
		}
		if err := run(ctx, tx, indexesOf(part)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE aurigraph.partitions SET indexed = true WHERE no = $1`, part)
		return err
	})
}
