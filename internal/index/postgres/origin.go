// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// partsWithRound are the partitions that a transfer of a round may lie in: rounds rise, so they are one or two.
const partsWithRound = `SELECT no FROM aurigraph.partitions WHERE v10_first <= $1 AND v10_last >= $1 ORDER BY no DESC LIMIT $2`

// ofOrigin says v10_round > 0 so that the planner sees that the partial index has all that is asked for. It has no LIMIT, for which the
// planner might walk all transfers by their number: there is one, or one for each time that V10 was put back.
const ofOrigin = ` WHERE v10_round > 0 AND v10_round = $1 AND v10_place = $2 AND seq < $3 ORDER BY seq DESC`

// ByOrigin finds the transfer that V10 made at a place of one of its rounds.
func (db *DB) ByOrigin(ctx context.Context, round uint64, place uint32) (history.Transfer, error) {
	return db.readers.ByOrigin(ctx, round, place)
}

// ByOrigin finds the transfer that V10 made at a place of one of its rounds.
func (r *Reader) ByOrigin(ctx context.Context, round uint64, place uint32) (t history.Transfer, err error) {
	if round == 0 || round > math.MaxInt64 {
		return t, index.NoOrigin(round, place)
	}
	err = r.snapshot(ctx, func(tx pgx.Tx) error {
		t, err = findOrigin(ctx, tx, round, place)
		return err
	})
	return t, err
}

func findOrigin(ctx context.Context, tx pgx.Tx, round uint64, place uint32) (t history.Transfer, err error) {
	m, err := readMeta(tx.QueryRow(ctx, selectMeta))
	if err != nil {
		return t, err
	}
	q, err := tx.Query(ctx, partsWithRound, int64(round), ProbesMax)
	if err != nil {
		return t, err
	}
	parts, err := pgx.CollectRows(q, pgx.RowTo[int64])
	if err != nil {
		return t, err
	}
	for _, part := range parts {
		row := tx.QueryRow(ctx, `SELECT `+transferColumns+` FROM `+partitionTable(part)+ofOrigin, int64(round), int32(place), m.wholeSeq)
		if t, _, err = scanTransfer(row); !errors.Is(err, pgx.ErrNoRows) {
			return t, err
		}
	}
	return t, index.NoOrigin(round, place)
}

// anyOrigin reports whether some of the rows came from V10.
func anyOrigin(rows []history.Transfer) bool {
	for i := range rows {
		if rows[i].Origin != (history.Origin{}) {
			return true
		}
	}
	return false
}

// roundsOf are the lowest and the highest of V10's rounds that rows are of; 0: of none.
func roundsOf(rows []history.Transfer) (first, last uint64) {
	for i := range rows {
		if round := rows[i].Origin.Round; round != 0 {
			if first == 0 || round < first {
				first = round
			}
			last = max(last, round)
		}
	}
	return first, last
}
