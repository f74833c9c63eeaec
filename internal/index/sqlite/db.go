// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/sqlitefault"
	"github.com/aurigraph/aurigraph/internal/store/seal"
)

// FileName is the name of the index's file in its folder.
const FileName = "index.db"

// readersMax bounds the lists that are read at once; more wait.
const readersMax = 2

// Page caches of the writer and of each reader, in KiB.
const (
	writerCacheKiB = 4096
	readerCacheKiB = 1024
)

// DB is an open index. Position and Apply belong to one goroutine, Transfers to all.
type DB struct {
	dir     string
	writer  *sqlite.Conn
	readers *sqlitex.Pool
	next    index.Position
	keys    []accountKey // scratch of Apply
	seq     int64
}

var (
	_ index.Writer = (*DB)(nil)
	_ index.Reader = (*DB)(nil)
)

// Open opens the index in dir, or makes it. The file of another chain is a Conflict, a damaged one Corrupt.
func Open(dir string, id chain.ChainID, genesis chain.Hash) (*DB, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the index's folder")
	}
	if err := seal.Remove(dir); err != nil {
		return nil, err
	}
	db := &DB{dir: dir}
	if err := db.open(id, genesis); err != nil {
		return nil, errors.Join(err, db.release())
	}
	return db, nil
}

func (db *DB) open(id chain.ChainID, genesis chain.Hash) (err error) {
	path := filepath.Join(db.dir, FileName)
	if db.writer, err = sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL); err != nil {
		return translate(err, "open the index")
	}
	if err := db.prepare(id, genesis); err != nil {
		return err
	}
	db.readers, err = sqlitex.NewPool(path, sqlitex.PoolOptions{
		Flags: sqlite.OpenReadOnly, PoolSize: readersMax,
		PrepareConn: func(c *sqlite.Conn) error { return pragmas(c, readerCacheKiB) },
	})
	return translate(err, "open the index for readers")
}

// ifCorrupt is what to do about a damaged index.
const ifCorrupt = "to rebuild it, delete its folder and start again"

func translate(err error, what string) error { return sqlitefault.Wrap(err, what, ifCorrupt) }

func pragmas(c *sqlite.Conn, cacheKiB int) error {
	for _, p := range []string{"PRAGMA mmap_size = 0", "PRAGMA temp_store = MEMORY", "PRAGMA trusted_schema = OFF", "PRAGMA synchronous = NORMAL"} {
		if err := sqlitex.ExecuteTransient(c, p, nil); err != nil {
			return err
		}
	}
	return sqlitex.ExecuteTransient(c, cachePragma[cacheKiB], nil)
}

// cachePragma has the statements by size in KiB; a PRAGMA takes no parameters.
var cachePragma = map[int]string{writerCacheKiB: "PRAGMA cache_size = -4096", readerCacheKiB: "PRAGMA cache_size = -1024"}

func (db *DB) prepare(id chain.ChainID, genesis chain.Hash) error {
	if err := pragmas(db.writer, writerCacheKiB); err != nil {
		return translate(err, "open the index")
	}
	fresh, err := isEmpty(db.writer)
	if err != nil {
		return err
	}
	if fresh {
		if err := db.create(id, genesis); err != nil {
			return translate(err, "make the index")
		}
	}
	db.next, db.seq, err = readMeta(db.writer, id, genesis)
	return err
}

// isEmpty reports whether there are no tables yet.
func isEmpty(c *sqlite.Conn) (empty bool, err error) {
	err = sqlitex.ExecuteTransient(c, `SELECT count(*) FROM sqlite_master`, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		empty = s.ColumnInt(0) == 0
		return nil
	}})
	return empty, translate(err, "read the index")
}

func (db *DB) create(id chain.ChainID, genesis chain.Hash) (err error) {
	end, err := sqlitex.ImmediateTransaction(db.writer)
	if err != nil {
		return err
	}
	defer end(&err)
	if err := sqlitex.ExecuteScript(db.writer, schema, nil); err != nil {
		return err
	}
	return sqlitex.Execute(db.writer, `INSERT INTO meta (id, version, chain, genesis, height, batch, seq) VALUES (1, ?, ?, ?, 1, 0, 1)`,
		&sqlitex.ExecOptions{Args: []any{schemaVersion, int64(id), genesis[:]}})
}

func readMeta(c *sqlite.Conn, id chain.ChainID, genesis chain.Hash) (next index.Position, seq int64, err error) {
	found := false
	err = sqlitex.Execute(c, selectMeta, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		found = true
		if v := s.ColumnInt(0); v != schemaVersion {
			return fault.New(fault.Conflict, "the index has version %d, this program writes %d: delete its folder and start again", v, schemaVersion)
		}
		if chain.ChainID(s.ColumnInt64(1)) != id || !bytes.Equal(blob(s, 2), genesis[:]) {
			return fault.New(fault.Conflict, "this index is of another chain: use another folder")
		}
		next, seq = index.Position{Height: chain.Height(s.ColumnInt64(3)), Batch: uint32(s.ColumnInt64(4))}, s.ColumnInt64(5)
		return nil
	}})
	if err == nil && (!found || next.Height < 1 || seq < 1) {
		err = fault.New(fault.Corrupt, "the index does not say how far it is: delete its folder and start again")
	}
	return next, seq, translate(err, "read the index")
}

func blob(s *sqlite.Stmt, column int) []byte {
	b := make([]byte, s.ColumnLen(column))
	s.ColumnBytes(column, b)
	return b
}

// Pace is that of an engine in this process.
func (db *DB) Pace() index.Pace { return index.Embedded() }

// Position is what has been applied.
func (db *DB) Position() index.Position { return db.next }

// Newest is the newest block that was applied as a whole.
func (db *DB) Newest() (b index.Block, err error) {
	err = sqlitex.Execute(db.writer, selectNewest, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		b = readBlock(s)
		return nil
	}})
	return b, translate(err, "read the index")
}

// Last is the newest transfer that was applied.
func (db *DB) Last() (last *history.Transfer, err error) {
	err = sqlitex.Execute(db.writer, selectLast, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		t := readTransfer(s)
		last = &t
		return nil
	}})
	return last, translate(err, "read the index")
}

// release closes the connections.
func (db *DB) release() error {
	var errs []error
	if db.readers != nil {
		errs = append(errs, db.readers.Close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.Close())
	}
	db.readers, db.writer = nil, nil
	return errors.Join(errs...)
}

// Close moves everything into the one file and seals the folder. Nobody may use db meanwhile. It reads the file once.
func (db *DB) Close() error {
	if db.writer == nil {
		return nil
	}
	db.writer.SetInterrupt(nil)
	err := db.readers.Close()
	db.readers = nil
	if err == nil {
		err = sqlitex.ExecuteTransient(db.writer, "PRAGMA wal_checkpoint(TRUNCATE)", nil)
	}
	if err := translate(errors.Join(err, db.release()), "close the index"); err != nil {
		return err
	}
	return seal.Write(db.dir)
}

// take lends a reader's connection until put.
func (db *DB) take(ctx context.Context) (c *sqlite.Conn, put func(), err error) {
	if c, err = db.readers.Take(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return nil, nil, translate(err, "read the index")
	}
	return c, func() { db.readers.Put(c) }, nil
}
