// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/pgdb"
)

// Bounds of readers and answers.
const (
	ReadersMax = 2               // connections for answers; more wait
	answerMax  = 5 * time.Second // for one statement
	probesMax  = 64              // statements of one answer; then it is short, or empty, and says where to go on
	scannedMax = 1 << 14         // rows that a statement looks at for those of an asset
	narrowing  = 255             // places that one look compares, so that what is left is its 256th part
	readTries  = ReadersMax + 1  // enough to meet all connections of before a server's restart, and a new one
)

// Reader reads a finished history. It is safe for concurrent use.
type Reader struct {
	pool *pgxpool.Pool
	rows int64
	bits int
}

var _ imported.Reader = (*Reader)(nil)

// OpenReader opens a finished history. NotFound: there is none yet. Conflict: it is of another network; a sequence of 0 is any.
func OpenReader(ctx context.Context, url string, id imported.Identity) (*Reader, error) {
	pool, err := openPool(ctx, url)
	if err != nil {
		return nil, err
	}
	e, bits, err := readExtent(ctx, pool, id)
	if pgdb.IsCode(err, pgdb.CodeNoTable, pgdb.CodeNoSchema) || errors.Is(err, pgx.ErrNoRows) || err == nil && !e.Finished {
		err = fault.New(fault.NotFound, "no history of V10 was imported into this database")
	}
	if err != nil {
		pool.Close()
		return nil, translate(ctx, err, "open the imported history")
	}
	return &Reader{pool: pool, rows: int64(e.Rows), bits: bits}, nil
}

func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	return pgdb.OpenPool(ctx, pgdb.PoolConfig{
		URL: url, Program: "aurigraph-imported-reader", What: "the database of the imported history", Connections: ReadersMax,
		Defaults: map[string]string{"statement_timeout": pgdb.Milliseconds(answerMax)},
	})
}

// Close ends the readers' sessions. It waits for answers under way.
func (r *Reader) Close() error {
	r.pool.Close()
	return nil
}

// with reads by one connection, and by another one if the server had ended it.
func (r *Reader) with(ctx context.Context, read func(*pgxpool.Conn) error) error {
	var err error
	for range readTries {
		err = r.pool.AcquireFunc(ctx, read)
		if err == nil || ctx.Err() != nil || !pgdb.Stale(err) {
			break
		}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case pgdb.IsCode(err, pgdb.CodeCanceled):
		return fault.Wrap(fault.Timeout, err, "an answer took the database too long")
	}
	return translate(ctx, err, "read the imported history")
}

// ByID finds a transaction by its place. Each look leaves a small part of the rows.
func (r *Reader) ByID(ctx context.Context, round uint64, place uint32) (row imported.Row, err error) {
	err = r.with(ctx, func(c *pgxpool.Conn) error {
		low, high := int64(1), r.rows // the first row that does not lie before the place is one of them, if there is one
		for low < high {
			var err error
			if low, high, err = narrow(ctx, c, low, high, round, place); err != nil {
				return err
			}
		}
		row, err = scanRow(c.QueryRow(ctx, selectRow, low))
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && (row.Round != round || row.Place != place) {
		return imported.Row{}, fault.New(fault.NotFound, "V10 executed nothing at place %d of round %d", place, round)
	}
	return row, err
}

// probes are numbers from low on and below high, evenly.
func probes(low, high int64) []int64 {
	n := min(narrowing, high-low)
	out := make([]int64, n)
	for i := range n {
		out[i] = low + (high-low)*i/n
	}
	return out
}

func narrow(ctx context.Context, c *pgxpool.Conn, low, high int64, round uint64, place uint32) (int64, int64, error) {
	asked := probes(low, high)
	q, err := c.Query(ctx, selectPlaces, asked)
	if err != nil {
		return 0, 0, err
	}
	defer q.Close()
	seen := 0
	for q.Next() {
		var seq, at int64
		var item int32
		if err := q.Scan(&seq, &at, &item); err != nil {
			return 0, 0, err
		}
		seen++
		if uint64(at) < round || uint64(at) == round && uint32(item) < place {
			low = seq + 1
		} else {
			high = min(high, seq)
		}
	}
	if err := q.Err(); err != nil {
		return 0, 0, err
	}
	if seen != len(asked) {
		return 0, 0, fault.New(fault.Corrupt, "rows of the imported history are not there: %s", ifCorrupt)
	}
	return low, high, nil
}

func scanRow(row pgx.Row) (out imported.Row, err error) {
	var seq, ms, round int64
	var place, payer, payee, asset int32
	var kind, outcome int16
	var amount pgtype.Numeric
	if err := row.Scan(&seq, &ms, &round, &place, &payer, &payee, &asset, &kind, &outcome, &amount); err != nil {
		return out, err
	}
	out = imported.Row{
		Seq: uint64(seq), Ms: uint64(ms), Round: uint64(round), Place: uint32(place), Kind: imported.Kind(kind), Payer: chain.AccountNo(payer),
		Payee: chain.AccountNo(payee), Asset: chain.AssetNo(asset), Outcome: chain.Outcome(outcome),
	}
	out.Amount, err = pgdb.Amount(amount, ifCorrupt)
	return out, err
}

// Round reads a round.
func (r *Reader) Round(ctx context.Context, number uint64) (out imported.Round, err error) {
	if number > math.MaxInt64 {
		return out, noRound(number)
	}
	err = r.with(ctx, func(c *pgxpool.Conn) error {
		var ms, transactions int64
		var votes string
		var hash, previous []byte
		if err := c.QueryRow(ctx, selectRound, int64(number)).Scan(&ms, &out.Leader, &votes, &hash, &previous, &transactions); err != nil {
			return err
		}
		out.Number, out.Ms, out.Transactions = number, uint64(ms), uint32(transactions)
		if copy(out.Hash[:], hash)+copy(out.Previous[:], previous) != len(hash)+len(previous) || len(hash) != len(out.Hash) {
			return fault.New(fault.Corrupt, "a hash of round %d has another length: %s", number, ifCorrupt)
		}
		return fault.Wrap(fault.Corrupt, json.Unmarshal([]byte(votes), &out.Votes), "the votes of round %d: %s", number, ifCorrupt)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = noRound(number)
	}
	return out, err
}

func noRound(number uint64) error {
	return fault.New(fault.NotFound, "V10 had no round %d before the copy", number)
}
