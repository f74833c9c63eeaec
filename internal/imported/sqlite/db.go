// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/sqlitefault"
)

// FileName is the name of the finished file in its folder.
const FileName = "imported.db"

// loadingName is its name before.
const loadingName = "imported-loading.db"

// Config says where a history is kept, and who is told how Finish comes on.
type Config struct {
	Dir string
	// ChunkBits sets how many rows share a chunk of a new history, 1<<ChunkBits; 0: ChunkBitsDefault.
	ChunkBits int
	// OnProgress may be nil.
	OnProgress func(imported.Progress)
}

// DB is a history that is loaded. One goroutine uses it.
type DB struct {
	config Config
	conn   *sqlite.Conn // nil: it is finished
	extent imported.Extent
	bits   int
	list   []entry
	buf    []byte
}

var _ imported.Writer = (*DB)(nil)

// Open opens a history for loading, or makes it. That of another network or checkpoint is a Conflict, a damaged one Corrupt; one that
// another process loads is TryLater.
func Open(ctx context.Context, c Config, id imported.Identity) (*DB, error) {
	if c.OnProgress == nil {
		c.OnProgress = func(imported.Progress) {}
	}
	if c.ChunkBits == 0 {
		c.ChunkBits = ChunkBitsDefault
	}
	if id.Sequence == 0 || c.ChunkBits < chunkBitsMin || c.ChunkBits > chunkBitsMax {
		return nil, fault.New(fault.Invalid, "a history has the sequence of its checkpoint, and chunks of 1<<%d to 1<<%d rows", chunkBitsMin, chunkBitsMax)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the folder of the imported history")
	}
	db := &DB{config: c}
	done, err := exists(db.path(FileName))
	if err != nil {
		return nil, err
	}
	if done {
		db.extent, db.bits, err = readFinished(ctx, db.path(FileName), id)
		if err != nil {
			return nil, err
		}
		return db, nil
	}
	if err := db.open(ctx, id); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) path(name string) string { return filepath.Join(db.config.Dir, name) }

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, fault.Wrap(fault.Unavailable, err, "look for the imported history")
}

// readFinished reads how far a finished history reaches.
func readFinished(ctx context.Context, path string, id imported.Identity) (e imported.Extent, bits int, err error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return e, 0, translate(err, "open the imported history")
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.SetInterrupt(ctx.Done())
	e, bits, err = readExtent(c, id)
	if err == nil && !e.Finished {
		err = fault.New(fault.Corrupt, "the imported history is not finished: %s", ifCorrupt)
	}
	return e, bits, translate(err, "read the imported history")
}

func (db *DB) open(ctx context.Context, id imported.Identity) (err error) {
	path := db.path(loadingName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // whose mode SQLite gives its journal too
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the imported history")
	}
	if db.conn, err = sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate); err != nil {
		return translate(err, "open the imported history")
	}
	db.conn.SetInterrupt(ctx.Done())
	err = db.prepare(id)
	if db.conn != nil {
		db.conn.SetInterrupt(nil)
	}
	return translate(err, "open the imported history")
}

func (db *DB) prepare(id imported.Identity) error {
	db.conn.SetBusyTimeout(0) // who has it keeps it
	for _, p := range []string{
		"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = DELETE", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -16384",
		"PRAGMA mmap_size = 0", "PRAGMA temp_store = MEMORY", "PRAGMA trusted_schema = OFF",
	} {
		if err := sqlitex.ExecuteTransient(db.conn, p, nil); err != nil {
			return err
		}
	}
	if err := db.begin(id); err != nil {
		return err
	}
	var err error
	db.extent, db.bits, err = readExtent(db.conn, id)
	if err == nil && db.extent.Finished { // only its name was to come
		err = db.rename()
	}
	return err
}

// begin makes the tables of a new file, and takes the lock of any.
func (db *DB) begin(id imported.Identity) (err error) {
	end, err := sqlitex.ExclusiveTransaction(db.conn)
	if err != nil {
		return err
	}
	defer end(&err)
	tables := 0
	err = sqlitex.ExecuteTransient(db.conn, `SELECT count(*) FROM sqlite_master`, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		tables = s.ColumnInt(0)
		return nil
	}})
	if err != nil || tables > 0 {
		return err
	}
	if err := sqlitex.ExecuteScript(db.conn, schema, nil); err != nil {
		return err
	}
	return sqlitex.Execute(db.conn, `INSERT INTO meta (id, version, chain, genesis, sequence, rows, rounds, finished, chunk_bits) VALUES (1, ?, ?, ?, ?, 0, 0, 0, ?)`,
		&sqlitex.ExecOptions{Args: []any{schemaVersion, int64(id.Chain), id.Genesis[:], int64(id.Sequence), db.config.ChunkBits}})
}

// ifCorrupt is what to do about a damaged history.
const ifCorrupt = "V11 cannot make it again: put a copy of the file back, or copy V10 anew"

func translate(err error, what string) error { return sqlitefault.Wrap(err, what, ifCorrupt) }

// readExtent reads how far a history reaches, and refuses another network's.
func readExtent(c *sqlite.Conn, id imported.Identity) (e imported.Extent, bits int, err error) {
	found := false
	err = sqlitex.Execute(c, selectMeta, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		found = true
		if v := s.ColumnInt(0); v != schemaVersion {
			return fault.New(fault.Conflict, "the imported history has version %d, this program writes %d: run the program that made it", v, schemaVersion)
		}
		if chain.ChainID(s.ColumnInt64(1)) != id.Chain || !bytes.Equal(blob(s, 2), id.Genesis[:]) {
			return fault.New(fault.Conflict, "this imported history is of another network: use another folder")
		}
		if have := uint64(s.ColumnInt64(3)); id.Sequence != 0 && have != id.Sequence {
			return fault.New(fault.Conflict, "this imported history ends at sequence %d of V10, not %d: it is of another copy", have, id.Sequence)
		}
		e.Rows, e.Rounds, e.Finished, bits = uint64(s.ColumnInt64(4)), uint64(s.ColumnInt64(5)), s.ColumnInt(6) != 0, s.ColumnInt(7)
		return nil
	}})
	if err != nil {
		return e, 0, err
	}
	last := int64(0)
	err = eachOf(c, selectLast, func(s *sqlite.Stmt) {
		last, e.Round, e.Place = s.ColumnInt64(0), uint64(s.ColumnInt64(1)), uint32(s.ColumnInt64(2))
	})
	if err == nil {
		err = eachOf(c, selectNewest, func(s *sqlite.Stmt) { e.Newest = uint64(s.ColumnInt64(0)) })
	}
	if err == nil && (!found || uint64(last) != e.Rows || bits < chunkBitsMin || bits > chunkBitsMax) {
		err = fault.New(fault.Corrupt, "the imported history says that it has %d rows, and ends with number %d: %s", e.Rows, last, ifCorrupt)
	}
	return e, bits, err
}

func eachOf(c *sqlite.Conn, query string, each func(*sqlite.Stmt)) error {
	return sqlitex.Execute(c, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		each(s)
		return nil
	}})
}

func blob(s *sqlite.Stmt, column int) []byte {
	b := make([]byte, s.ColumnLen(column))
	s.ColumnBytes(column, b)
	return b
}

// Next is where to go on.
func (db *DB) Next(context.Context) (seq, round uint64, err error) {
	return db.extent.Rows + 1, db.extent.NextRound(), nil
}

// Close ends the work. What was written stays.
func (db *DB) Close() error {
	if db.conn == nil {
		return nil
	}
	c := db.conn
	db.conn = nil
	c.SetInterrupt(nil)
	return translate(c.Close(), "close the imported history")
}

// rename gives a finished file its name.
func (db *DB) rename() error {
	if err := db.Close(); err != nil {
		return err
	}
	err := os.Rename(db.path(loadingName), db.path(FileName))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "name the imported history")
	}
	d, err := os.Open(db.config.Dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	return fault.Wrap(fault.Unavailable, err, "name the imported history")
}
