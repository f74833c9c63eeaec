// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
)

// Bounds of readers and answers.
const (
	readersMax         = 2 // answers at once; more wait
	chunksPerAnswerMax = 64
	scannedMax         = 1 << 14 // rows that one answer looks at for those of an asset
)

// Reader reads a finished history. It is safe for concurrent use.
type Reader struct {
	pool *sqlitex.Pool
	rows uint64
	bits int
}

var _ imported.Reader = (*Reader)(nil)

// OpenReader opens a finished history. NotFound: there is none yet. Conflict: it is of another network; a sequence of 0 is any.
func OpenReader(ctx context.Context, dir string, id imported.Identity) (*Reader, error) {
	path := filepath.Join(dir, FileName)
	there, err := exists(path)
	if err == nil && !there {
		err = fault.New(fault.NotFound, "no history of V10 was imported here")
	}
	if err != nil {
		return nil, err
	}
	e, bits, err := readFinished(ctx, path, id)
	if err != nil {
		return nil, err
	}
	pool, err := sqlitex.NewPool(path, sqlitex.PoolOptions{Flags: sqlite.OpenReadOnly, PoolSize: readersMax, PrepareConn: func(c *sqlite.Conn) error {
		for _, p := range []string{"PRAGMA mmap_size = 0", "PRAGMA temp_store = MEMORY", "PRAGMA trusted_schema = OFF", "PRAGMA cache_size = -2048"} {
			if err := sqlitex.ExecuteTransient(c, p, nil); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		return nil, translate(err, "open the imported history for readers")
	}
	return &Reader{pool: pool, rows: e.Rows, bits: bits}, nil
}

// Close ends the reading. Nobody may read meanwhile.
func (r *Reader) Close() error { return translate(r.pool.Close(), "close the imported history") }

// with lends a connection to read. At ctx's end its statements end.
func (r *Reader) with(ctx context.Context, read func(*sqlite.Conn) error) error {
	c, err := r.pool.Take(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return translate(err, "read the imported history")
	}
	defer r.pool.Put(c)
	err = read(c)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return translate(err, "read the imported history")
}

var errNone = errors.New("no such row")

// ByID finds a transaction by its place, which halves what it may be.
func (r *Reader) ByID(ctx context.Context, round uint64, place uint32) (row imported.Row, err error) {
	err = r.with(ctx, func(c *sqlite.Conn) error {
		low, high := uint64(1), r.rows
		for low < high {
			mid := low + (high-low)/2
			before, err := isBefore(c, mid, round, place)
			switch {
			case err != nil:
				return err
			case before:
				low = mid + 1
			default:
				high = mid
			}
		}
		if row, err = rowAt(c, int64(low)); errors.Is(err, errNone) && r.rows > 0 {
			return missing(low)
		}
		return err
	})
	if errors.Is(err, errNone) || err == nil && (row.Round != round || row.Place != place) {
		return imported.Row{}, fault.New(fault.NotFound, "V10 executed nothing at place %d of round %d", place, round)
	}
	return row, err
}

func missing(seq uint64) error {
	return fault.New(fault.Corrupt, "row %d of the imported history is not there: %s", seq, ifCorrupt)
}

// isBefore says whether a row lies before a place.
func isBefore(c *sqlite.Conn, seq, round uint64, place uint32) (before bool, err error) {
	found := false
	err = sqlitex.Execute(c, selectPlace, &sqlitex.ExecOptions{Args: []any{int64(seq)}, ResultFunc: func(s *sqlite.Stmt) error {
		at := uint64(s.ColumnInt64(0))
		found, before = true, at < round || at == round && uint32(s.ColumnInt64(1)) < place
		return nil
	}})
	if err == nil && !found {
		err = missing(seq)
	}
	return before, err
}

func rowAt(c *sqlite.Conn, seq int64) (row imported.Row, err error) {
	s, err := c.Prepare(selectRow)
	if err != nil {
		return row, err
	}
	s.BindInt64(1, seq)
	more, err := s.Step()
	if err != nil {
		return row, err
	}
	if !more {
		return row, errNone
	}
	row = readRow(s)
	return row, s.Reset()
}

func accountAt(s *sqlite.Stmt, column int) chain.AccountNo {
	return chain.AccountNo(s.ColumnInt64(column))
}

func readRow(s *sqlite.Stmt) imported.Row {
	return imported.Row{
		Seq: uint64(s.ColumnInt64(0)), Ms: uint64(s.ColumnInt64(1)), Round: uint64(s.ColumnInt64(2)), Place: uint32(s.ColumnInt64(3)),
		Kind: imported.Kind(s.ColumnInt64(4)), Payer: accountAt(s, 5), Payee: accountAt(s, 6), Asset: chain.AssetNo(s.ColumnInt64(7)),
		Amount: chain.Amount{Lo: uint64(s.ColumnInt64(8)), Hi: uint64(s.ColumnInt64(9))}, Outcome: chain.Outcome(s.ColumnInt64(10)),
	}
}

// Round reads a round.
func (r *Reader) Round(ctx context.Context, number uint64) (out imported.Round, err error) {
	found := false
	err = r.with(ctx, func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, selectRound, &sqlitex.ExecOptions{Args: []any{int64(number)}, ResultFunc: func(s *sqlite.Stmt) error {
			found = true
			out = imported.Round{Number: number, Ms: uint64(s.ColumnInt64(0)), Leader: s.ColumnText(1), Transactions: uint32(s.ColumnInt64(5))}
			s.ColumnBytes(3, out.Hash[:])
			s.ColumnBytes(4, out.Previous[:])
			if err := json.Unmarshal([]byte(s.ColumnText(2)), &out.Votes); err != nil {
				return fault.Wrap(fault.Corrupt, err, "the votes of round %d: %s", number, ifCorrupt)
			}
			return nil
		}})
	})
	if err == nil && !found {
		err = fault.New(fault.NotFound, "V10 had no round %d before the copy", number)
	}
	return out, err
}

// List lists rows, newest first.
func (r *Reader) List(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (rows []imported.Row, next uint64, err error) {
	if err := imported.CheckList(before, limit); err != nil {
		return nil, 0, err
	}
	if before == 0 || before > r.rows {
		before = r.rows + 1
	}
	l := lister{account: account, asset: asset, before: int64(before), limit: limit, bits: r.bits}
	err = r.with(ctx, func(c *sqlite.Conn) error {
		l.conn = c
		if account == 0 {
			return l.all()
		}
		return l.ofAccount()
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
	conn    *sqlite.Conn
	account chain.AccountNo
	asset   chain.AssetNo
	before  int64 // in the end: where to go on
	limit   int
	rows    []imported.Row
	scanned int
	block   []entry
	bits    int
}

// full reports whether the answer ends here.
func (l *lister) full() bool { return len(l.rows) == l.limit || l.scanned >= scannedMax }

// take takes a row if it is wanted.
func (l *lister) take(row *imported.Row) {
	l.scanned++
	l.before = int64(row.Seq)
	if l.asset == 0 || row.Asset == l.asset {
		l.rows = append(l.rows, *row)
	}
}

func (l *lister) all() error {
	s, err := l.conn.Prepare(selectBelow)
	if err != nil {
		return err
	}
	s.BindInt64(1, l.before)
	s.BindInt64(2, scannedMax)
	for !l.full() {
		more, err := s.Step()
		if err != nil {
			return err
		}
		if !more {
			l.before = 0
			return nil
		}
		row := readRow(s)
		l.take(&row)
	}
	return s.Reset()
}

func (l *lister) ofAccount() error {
	for range chunksPerAnswerMax {
		if l.before <= 1 || l.full() {
			return nil
		}
		if err := l.ofChunk((l.before - 1) >> l.bits); err != nil {
			return err
		}
	}
	return nil
}

// ofChunk takes rows of one chunk, and moves before to where to go on.
func (l *lister) ofChunk(chunk int64) error {
	for !l.full() {
		found, first, err := l.look(chunk)
		if err != nil {
			return err
		}
		for i := len(l.block) - 1; found && i >= 0 && !l.full(); i-- {
			if e := l.block[i]; e.account() != l.account || e.seq(chunk, l.bits) >= l.before {
				continue
			}
			row, err := rowAt(l.conn, l.block[i].seq(chunk, l.bits))
			if errors.Is(err, errNone) {
				err = missing(uint64(l.block[i].seq(chunk, l.bits)))
			}
			if err != nil {
				return err
			}
			l.take(&row)
		}
		if l.full() {
			return nil
		}
		if !found || first.account() != l.account { // what lies before the block is another account's
			break
		}
	}
	l.before = chunk << l.bits
	return nil
}

// look reads the block in which the newest entry of the account before a row lies, if there is one.
func (l *lister) look(chunk int64) (found bool, first entry, err error) {
	var text []byte
	err = sqlitex.Execute(l.conn, selectPostings, &sqlitex.ExecOptions{
		Args: []any{chunk, int64(l.account), l.before},
		ResultFunc: func(s *sqlite.Stmt) error {
			found, first, text = true, newEntry(accountAt(s, 0), s.ColumnInt64(1), l.bits), blob(s, 2)
			return nil
		},
	})
	if err == nil && found {
		l.block, err = readBlock(l.block[:0], first, text)
	}
	return found, first, err
}
