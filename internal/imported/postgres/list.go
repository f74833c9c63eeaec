// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/imported"
)

// What a statement asks: $1 limit, $2 and $3 the numbers from and below, $4 asset or 0, and where it is by account $5.
const (
	between = ` AND seq >= $2 AND seq < $3 AND ($4::int = 0 OR asset = $4) ORDER BY seq DESC LIMIT $1`
	ofPayer = ` WHERE payer = $5` + between
	ofPayee = ` WHERE payee = $5 AND payer <> $5` + between
)

// List lists rows, newest first.
func (r *Reader) List(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) ([]imported.Row, uint64, error) {
	if err := imported.CheckList(before, limit); err != nil {
		return nil, 0, err
	}
	from := int64(before)
	if before == 0 || from > r.rows {
		from = r.rows + 1
	}
	var l lister
	err := r.with(ctx, func(c *pgxpool.Conn) error {
		l = lister{conn: c, account: int32(account), asset: int32(asset), before: from, limit: limit, bits: r.bits}
		return l.list(ctx)
	})
	if err != nil {
		return nil, 0, err
	}
	if l.before <= 1 {
		l.before = 0
	}
	return l.rows, uint64(l.before), nil
}

// lister is one answer.
type lister struct {
	conn    *pgxpool.Conn
	account int32
	asset   int32
	before  int64 // in the end: where to go on
	limit   int
	bits    int
	rows    []imported.Row
}

func (l *lister) list(ctx context.Context) error {
	for n := 0; n < probesMax && l.before > 1 && len(l.rows) < l.limit; n++ {
		if err := l.look(ctx, (l.before-1)>>l.bits); err != nil {
			return err
		}
	}
	return nil
}

// look makes one statement, and moves before to where to go on. It asks one partition by name, so that nothing else is planned or locked.
func (l *lister) look(ctx context.Context, part int64) error {
	from := max(part<<l.bits, 1)
	s := `SELECT ` + rowColumns + ` FROM ` + partitionTable(part)
	if l.account == 0 {
		if l.asset != 0 {
			from = max(from, l.before-scannedMax)
		}
		return l.probe(ctx, from, s+` WHERE true`+between)
	}
	if l.asset != 0 {
		floor, err := l.floor(ctx, part)
		if err != nil {
			return err
		}
		from = max(from, floor)
	}
	return l.probe(ctx, from, `(`+s+ofPayer+`) UNION ALL (`+s+ofPayee+`) ORDER BY seq DESC LIMIT $1`, l.account)
}

// floor is from where on the account has no more than a bounded number of rows on either side, of any asset.
func (l *lister) floor(ctx context.Context, part int64) (floor int64, err error) {
	t := partitionTable(part)
	err = l.conn.QueryRow(ctx, `SELECT greatest(
		(SELECT seq FROM `+t+` WHERE payer = $1 AND seq < $2 ORDER BY seq DESC OFFSET $3 LIMIT 1),
		(SELECT seq FROM `+t+` WHERE payee = $1 AND seq < $2 ORDER BY seq DESC OFFSET $3 LIMIT 1), 0)`, l.account, l.before, scannedMax).Scan(&floor)
	return floor, err
}

func (l *lister) probe(ctx context.Context, from int64, statement string, args ...any) error {
	q, err := l.conn.Query(ctx, statement, append([]any{l.limit - len(l.rows), from, l.before, l.asset}, args...)...)
	if err != nil {
		return err
	}
	defer q.Close()
	for q.Next() {
		row, err := scanRow(q)
		if err != nil {
			return err
		}
		l.rows, l.before = append(l.rows, row), int64(row.Seq)
	}
	if len(l.rows) < l.limit {
		l.before = from
	}
	return q.Err()
}
