// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"math"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// chunksPerAnswerMax bounds what one answer looks at: an account without recent transfers is looked for in so many chunks,
// then the answer is empty and says where to go on.
const chunksPerAnswerMax = 64

// RowsPerAnswerMax bounds the limit of one answer.
const RowsPerAnswerMax = 1000

// Transfers lists transfers, newest first.
func (db *DB) Transfers(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (at chain.Height, rows []history.Transfer, next uint64, err error) {
	if limit < 1 || limit > RowsPerAnswerMax || before > math.MaxInt64 {
		return 0, nil, 0, fault.New(fault.Invalid, "ask for 1 to %d transfers, from a place that an answer gave", RowsPerAnswerMax)
	}
	c, put, err := db.take(ctx)
	if err != nil {
		return 0, nil, 0, err
	}
	defer put()
	end := sqlitex.Transaction(c)
	defer end(&err)
	l := lister{conn: c, account: account, asset: asset, before: int64(before), limit: limit}
	if err := l.list(); err != nil {
		return 0, nil, 0, translate(err, "read the index")
	}
	return l.at, l.rows, uint64(l.before), nil
}

// ByOrigin finds the transfer that V10 made at a place of one of its rounds.
func (db *DB) ByOrigin(ctx context.Context, round uint64, place uint32) (t history.Transfer, err error) {
	if round == 0 || round > math.MaxInt64 {
		return t, index.NoOrigin(round, place)
	}
	c, put, err := db.take(ctx)
	if err != nil {
		return t, err
	}
	defer put()
	found := false
	err = sqlitex.Execute(c, selectByOrigin, &sqlitex.ExecOptions{Args: []any{int64(round), int64(place)}, ResultFunc: func(s *sqlite.Stmt) error {
		t, found = readTransfer(s), true
		return nil
	}})
	if err == nil && !found {
		err = index.NoOrigin(round, place)
	}
	return t, translate(err, "read the index")
}

type lister struct {
	conn    *sqlite.Conn
	account chain.AccountNo
	asset   chain.AssetNo
	before  int64 // in the end: where to go on, 0 at the end
	limit   int
	at      chain.Height
	rows    []history.Transfer
}

func (l *lister) list() error {
	err := sqlitex.Execute(l.conn, selectMeta, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		l.at = chain.Height(s.ColumnInt64(3)) - 1
		if seq := s.ColumnInt64(5); l.before == 0 || l.before > seq {
			l.before = seq
		}
		return nil
	}})
	if err != nil {
		return err
	}
	for range chunksPerAnswerMax {
		full, err := l.chunk((l.before - 1) >> chunkBits)
		if err != nil || full || l.before == 0 {
			return err
		}
	}
	return nil
}

// chunk reads what is wanted of the chunk that before lies in, and moves before to where to go on.
func (l *lister) chunk(chunk int64) (full bool, err error) {
	query := selectAll
	if l.account != 0 {
		query = selectByAccount
	}
	s, err := l.conn.Prepare(query)
	if err != nil {
		return false, err
	}
	for i, v := range [...]int64{chunk, int64(l.account), l.before, int64(l.at), int64(l.asset), int64(l.limit - len(l.rows))} {
		s.BindInt64(1+i, v)
	}
	for {
		ok, err := s.Step()
		if err != nil {
			return false, err
		}
		if !ok {
			break
		}
		l.rows = append(l.rows, readTransfer(s))
		l.before = s.ColumnInt64(0)
	}
	if full = len(l.rows) == l.limit; !full {
		l.before = chunk << chunkBits
	}
	if l.before == 1 {
		l.before = 0 // the first transfer has number 1
	}
	return full, s.Reset()
}

func readTransfer(s *sqlite.Stmt) history.Transfer {
	t := history.Transfer{
		Height: chain.Height(s.ColumnInt64(1)), Index: uint32(s.ColumnInt64(2)), Item: uint32(s.ColumnInt64(3)),
		From: chain.AccountNo(s.ColumnInt64(5)), To: chain.AccountNo(s.ColumnInt64(6)), Asset: chain.AssetNo(s.ColumnInt64(7)),
		Amount: chain.Amount{Lo: uint64(s.ColumnInt64(8)), Hi: uint64(s.ColumnInt64(9))},
		Kind:   history.KindUnknown, Outcome: chain.Outcome(s.ColumnInt64(11)), TimeUs: uint64(s.ColumnInt64(13)),
		Origin: history.Origin{Ms: uint64(s.ColumnInt64(14)), Round: uint64(s.ColumnInt64(15)), Place: uint32(s.ColumnInt64(16))}, // NULL reads as 0
	}
	s.ColumnBytes(4, t.ID[:])
	s.ColumnBytes(12, t.Reference[:])
	if k := s.ColumnInt64(10); k >= 0 && k < int64(len(kinds)) {
		t.Kind = kinds[k]
	}
	return t
}

func readBlock(s *sqlite.Stmt) index.Block {
	b := index.Block{Height: chain.Height(s.ColumnInt64(0)), TimeUs: uint64(s.ColumnInt64(2)), Items: uint64(s.ColumnInt64(3))}
	s.ColumnBytes(1, b.Hash[:])
	return b
}
