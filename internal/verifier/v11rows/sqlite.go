// SPDX-License-Identifier: Apache-2.0

package v11rows

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sqlitefault"
	"github.com/aurigraph/aurigraph/internal/verifier"
	"github.com/aurigraph/aurigraph/internal/verifier/tablefile"
)

// Names of the files, and the versions of the tables that are read.
const (
	indexFile       = "index.db"
	importedFile    = "imported.db"
	indexVersion    = 2
	importedVersion = 1
)

// SQLite is the tables of one folder. It is a verifier.Rows.
type SQLite struct {
	mu       sync.Mutex // one read at a time
	index    *sqlite.Conn
	imported *sqlite.Conn    // nil: V10 was not copied
	pages    *tablefile.File // of imported
}

// OpenSQLite opens the index in a folder, and the copied history in another, if it is there. NotFound: there is no index.
func OpenSQLite(index, imported string) (*SQLite, error) {
	s := &SQLite{}
	var err error
	if s.index, err = openFile(filepath.Join(index, indexFile)); err != nil {
		return nil, err
	}
	copied := filepath.Join(imported, importedFile)
	if s.imported, err = openFile(copied); fault.Is(err, fault.NotFound) {
		return s, nil
	}
	if err == nil {
		s.pages, err = tablefile.Open(copied)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openFile opens a file to read. Where nobody has it open a reader alone cannot make what it needs beside it, so it is opened to write,
// and told not to.
func openFile(path string) (*sqlite.Conn, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no %s", path)
	}
	c, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err == nil {
		if err = settle(c); err == nil {
			return c, nil
		}
		err = errors.Join(err, c.Close())
	}
	if c, errWrite := sqlite.OpenConn(path, sqlite.OpenReadWrite); errWrite == nil {
		if errWrite = settle(c); errWrite == nil {
			return c, nil
		}
		err = errors.Join(errWrite, c.Close())
	}
	return nil, translate(err)
}

// settle bounds what a connection keeps in memory, and sees whether it can read.
func settle(c *sqlite.Conn) error {
	for _, p := range []string{"PRAGMA query_only = 1", "PRAGMA mmap_size = 0", "PRAGMA cache_size = -512", "PRAGMA trusted_schema = OFF", "SELECT count(*) FROM sqlite_master"} {
		if err := sqlitex.ExecuteTransient(c, p, nil); err != nil {
			return err
		}
	}
	return nil
}

func translate(err error) error {
	return sqlitefault.Wrap(err, "read the index", "it is built anew from the chain: stop its process and delete its folder")
}

// Close closes the files.
func (s *SQLite) Close() (err error) {
	for _, c := range []*sqlite.Conn{s.index, s.imported} {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	if s.pages != nil { // last: see package tablefile
		err = errors.Join(err, s.pages.Close())
	}
	return err
}

// Meta reads what the tables say of themselves.
func (s *SQLite) Meta(ctx context.Context) (m verifier.RowsMeta, err error) {
	m.HasListed = true
	version := int64(0)
	err = s.read(ctx, s.index, `SELECT version, height, seq, (SELECT count(*) FROM gaps), coalesce((SELECT min(seq) FROM transfers), 1) FROM meta WHERE id = 1`, nil,
		func(r *row) {
			version = int64(r.unsigned(0))
			m.Height, m.Seq, m.Gaps, m.First = chain.Height(r.unsigned(1)-1), r.unsigned(2), r.unsigned(3), r.unsigned(4)
		})
	if err == nil && version != indexVersion {
		err = fault.Reasoned(fault.Refused, "index_version", "the index has version %d, and this program reads %d: use the program that wrote it", version, indexVersion)
	}
	if err != nil || s.imported == nil {
		return m, err
	}
	err = s.read(ctx, s.imported, `SELECT version, sequence, rows, rounds, finished, coalesce((SELECT max(number) FROM rounds), 0) FROM meta WHERE id = 1`, nil, func(r *row) {
		version = int64(r.unsigned(0))
		m.Copied, m.Sequence, m.CopiedRows, m.Rounds, m.Finished, m.LastRound = true, r.unsigned(1), r.unsigned(2), r.unsigned(3), r.unsigned(4) == 1, r.unsigned(5)
	})
	if err == nil && version != importedVersion {
		err = fault.Reasoned(fault.Refused, "imported_version", "the copied history has version %d, and this program reads %d: use the program that wrote it", version, importedVersion)
	}
	return m, err
}

const (
	transfersSQL = `SELECT seq, height, time_us, batch, item, payer, payee, asset, kind, outcome, amount_lo, amount_hi, reference, v10_round, v10_ms, v10_place
		FROM transfers WHERE seq > ?1 ORDER BY seq LIMIT ?2`
	blocksSQL = `SELECT height, time_us, items, hash FROM blocks WHERE height > ?1 ORDER BY height LIMIT ?2`
	listedSQL = `SELECT chunk, account, seq FROM by_account WHERE (chunk, account, seq) > (?1, ?2, ?3) ORDER BY chunk, account, seq LIMIT ?4`
	// importedColumns are all that a row has, in the order of its table.
	importedColumns = `seq, ms, round, place, kind, payer, payee, asset, amount_lo, amount_hi, outcome`
	importedSQL     = `SELECT ` + importedColumns + ` FROM rows WHERE seq > ?1 ORDER BY seq LIMIT ?2`
	roundsSQL       = `SELECT number, ms, leader, votes, hash, previous, transactions FROM rounds WHERE number >= ?1 ORDER BY number LIMIT ?2`
)

// Transfers reads rows of the index.
func (s *SQLite) Transfers(ctx context.Context, after uint64, into []verifier.TransferRow) (n int, err error) {
	err = s.read(ctx, s.index, transfersSQL, []any{int64(after), len(into)}, func(r *row) {
		t := &into[n]
		*t = verifier.TransferRow{
			Seq: r.unsigned(0), Height: r.unsigned(1), TimeUs: r.unsigned(2), Batch: r.small(3), Item: r.small(4), Payer: r.small(5), Payee: r.small(6), Asset: r.small(7),
			Kind: r.byte(8), Outcome: r.byte(9), Amount: chain.Amount{Lo: r.word(10), Hi: r.word(11)},
		}
		r.blob(12, t.Reference[:], true)
		if t.FromV10 = r.s.ColumnType(13) != sqlite.TypeNull; t.FromV10 {
			t.Round, t.Ms, t.Place = r.unsigned(13), r.unsigned(14), r.small(15)
		}
		t.Damaged = r.damaged
		n++
	})
	return n, err
}

// Blocks reads blocks of the index.
func (s *SQLite) Blocks(ctx context.Context, after uint64, into []verifier.BlockRow) (n int, err error) {
	err = s.read(ctx, s.index, blocksSQL, []any{int64(after), len(into)}, func(r *row) {
		into[n] = verifier.BlockRow{Height: r.unsigned(0), TimeUs: r.unsigned(1), Items: r.unsigned(2)}
		r.blob(3, into[n].Hash[:], false)
		n++
	})
	return n, err
}

// Listed reads the index by account.
func (s *SQLite) Listed(ctx context.Context, after verifier.ListedRow, into []verifier.ListedRow) (n int, err error) {
	err = s.read(ctx, s.index, listedSQL, []any{int64(after.Chunk), int64(after.Account), int64(after.Seq), len(into)}, func(r *row) {
		into[n] = verifier.ListedRow{Chunk: r.unsigned(0), Account: r.small(1), Seq: r.unsigned(2)}
		n++
	})
	return n, err
}

// Imported reads rows of the copied history: out of its file, or by the engine what does not lie there plainly.
func (s *SQLite) Imported(ctx context.Context, after uint64, into []verifier.ImportedRow) (n int, err error) {
	if s.imported == nil {
		return 0, nil
	}
	if n, err = s.importedPages(ctx, after, into); errors.Is(err, tablefile.ErrNotPlain) {
		return s.importedEngine(ctx, after, into)
	}
	return n, err
}

func (s *SQLite) importedEngine(ctx context.Context, after uint64, into []verifier.ImportedRow) (n int, err error) {
	err = s.read(ctx, s.imported, importedSQL, []any{int64(after), len(into)}, func(r *row) {
		r.imported(&into[n])
		n++
	})
	return n, err
}

// importedPages reads them out of the file, in a transaction of the engine's: nobody writes to the file meanwhile.
func (s *SQLite) importedPages(ctx context.Context, after uint64, into []verifier.ImportedRow) (n int, err error) {
	if err := s.read(ctx, s.imported, "BEGIN", nil, nil); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.read(ctx, s.imported, "COMMIT", nil, nil)) }()
	root := uint64(0)
	if err := s.read(ctx, s.imported, `SELECT rootpage FROM sqlite_master WHERE name = 'rows'`, nil, func(r *row) { root = r.unsigned(0) }); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var at pageRow
	err = s.pages.Rows(uint32(root), int64(after), func(seq int64, record *tablefile.Record) bool {
		at = pageRow{seq, record}
		r := row{numbers: &at}
		r.imported(&into[n])
		n++
		return n < len(into)
	})
	return n, err
}

// pageRow is a row of the copied history as it lies in its file.
type pageRow struct {
	seq    int64
	record *tablefile.Record
}

// integer implements numbers: the first column is the row's number, which the record itself lacks.
func (p *pageRow) integer(column int) (int64, bool) {
	if column == 0 {
		return p.seq, true
	}
	return p.record.Integer(column)
}

func (p *pageRow) name(column int) string { return strings.Split(importedColumns, ", ")[column] }

// imported reads a row of the copied history.
func (r *row) imported(into *verifier.ImportedRow) {
	*into = verifier.ImportedRow{
		Seq: r.unsigned(0), Ms: r.unsigned(1), Round: r.unsigned(2), Place: r.small(3), Kind: r.byte(4), Payer: r.small(5), Payee: r.small(6), Asset: r.small(7),
		Amount: chain.Amount{Lo: r.word(8), Hi: r.word(9)}, Outcome: r.byte(10),
	}
	into.Damaged = r.damaged
}

// ImportedRounds reads copied rounds.
func (s *SQLite) ImportedRounds(ctx context.Context, from uint64, into []verifier.RoundRow) (n int, err error) {
	if s.imported == nil {
		return 0, nil
	}
	err = s.read(ctx, s.imported, roundsSQL, []any{int64(from), len(into)}, func(r *row) {
		t := &into[n]
		*t = verifier.RoundRow{Number: r.unsigned(0), Ms: r.unsigned(1), Leader: r.s.ColumnText(2), Transactions: r.small(6)}
		r.votes(r.s.ColumnText(3), t)
		r.blob(4, t.Hash[:], false)
		r.blob(5, t.Previous[:], false)
		t.Damaged = r.damaged
		n++
	})
	return n, err
}

func (r *row) votes(text string, t *verifier.RoundRow) {
	if json.Unmarshal([]byte(text), &t.Votes) != nil {
		r.damaged = "votes that are no list"
	}
}

// read runs one statement.
func (s *SQLite) read(ctx context.Context, c *sqlite.Conn, statement string, args []any, each func(*row)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.SetInterrupt(ctx.Done())
	defer c.SetInterrupt(nil)
	var r row
	err := sqlitex.Execute(c, statement, &sqlitex.ExecOptions{Args: args, ResultFunc: func(s *sqlite.Stmt) error {
		r = row{s: s, numbers: stepped{s}}
		each(&r)
		return nil
	}})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return translate(err)
}

// numbers is a row's columns as far as they are numbers.
type numbers interface {
	integer(column int) (int64, bool)
	name(column int) string
}

// stepped is the row that a statement stands at.
type stepped struct{ s *sqlite.Stmt }

func (s stepped) integer(column int) (int64, bool) {
	return s.s.ColumnInt64(column), s.s.ColumnType(column) == sqlite.TypeInteger
}

func (s stepped) name(column int) string { return s.s.ColumnName(column) }

// row reads the columns of one row, and notes what of it cannot be.
type row struct {
	numbers
	s       *sqlite.Stmt
	damaged string
}

func (r *row) word(column int) uint64 {
	v, ok := r.integer(column)
	if !ok {
		r.damaged = "column " + r.name(column) + " is no number"
		return 0
	}
	return uint64(v)
}

func (r *row) upTo(column int, most uint64) uint64 {
	v := r.word(column)
	if v > most {
		r.damaged = "column " + r.name(column) + " is out of range"
		return 0
	}
	return v
}

func (r *row) unsigned(column int) uint64 { return r.upTo(column, math.MaxInt64) }
func (r *row) small(column int) uint32    { return uint32(r.upTo(column, math.MaxUint32)) }
func (r *row) byte(column int) uint8      { return uint8(r.upTo(column, math.MaxUint8)) }

// blob reads bytes that fill dst. None may stand for zeros.
func (r *row) blob(column int, dst []byte, orNull bool) {
	switch t := r.s.ColumnType(column); {
	case t == sqlite.TypeNull && orNull:
	case t != sqlite.TypeBlob || r.s.ColumnLen(column) != len(dst):
		r.damaged = "column " + r.s.ColumnName(column) + " has another size"
	default:
		r.s.ColumnBytes(column, dst)
	}
}

var _ verifier.Rows = (*SQLite)(nil)
