// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/sqlitefault"
)

// FileName is the name of the journal's file in its folder.
const FileName = "journal.db"

// Bounds of an open journal.
const (
	connectionsMax = 4
	busyMax        = 2 * time.Second // how long a call waits for another process's write
)

// Journal is an open journal.
type Journal struct {
	pool    *sqlitex.Pool
	windows atomic.Int64 // how many there are, as far as this handle knows; 0: it has not counted
}

var _ journal.Journal = (*Journal)(nil)

// Open opens the journal in dir, or makes it. Conflict: it has another version; Corrupt: it is damaged.
func Open(ctx context.Context, dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the journal's folder")
	}
	pool, err := sqlitex.NewPool(filepath.Join(dir, FileName), sqlitex.PoolOptions{
		Flags: sqlite.OpenReadWrite | sqlite.OpenCreate | sqlite.OpenWAL, PoolSize: connectionsMax, PrepareConn: prepare,
	})
	if err != nil {
		return nil, translate(err, "open the journal")
	}
	j := &Journal{pool: pool}
	if err := j.write(ctx, begin); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

func prepare(c *sqlite.Conn) error {
	c.SetBusyTimeout(busyMax)
	for _, p := range []string{"PRAGMA mmap_size = 0", "PRAGMA temp_store = MEMORY", "PRAGMA trusted_schema = OFF", "PRAGMA synchronous = FULL"} {
		if err := sqlitex.ExecuteTransient(c, p, nil); err != nil {
			return err
		}
	}
	return nil
}

// ifCorrupt is what to do about a damaged journal.
const ifCorrupt = "restore it from a copy: the home table in the ledger says which slots are V11's"

func translate(err error, what string) error { return sqlitefault.Wrap(err, what, ifCorrupt) }

// with lends a connection to do.
func (j *Journal) with(ctx context.Context, do func(*sqlite.Conn) error) error {
	c, err := j.pool.Take(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return fault.Wrap(fault.Timeout, ctx.Err(), "wait for the journal")
		}
		return translate(err, "use the journal")
	}
	defer j.pool.Put(c)
	return translate(do(c), "use the journal")
}

// write does something as one transaction, which no other writer disturbs.
func (j *Journal) write(ctx context.Context, do func(*sqlite.Conn) error) error {
	return j.with(ctx, func(c *sqlite.Conn) (err error) {
		end, err := sqlitex.ImmediateTransaction(c)
		if err != nil {
			return err
		}
		defer end(&err)
		return do(c)
	})
}

// Read returns the entries behind seq.
func (j *Journal) Read(ctx context.Context, seq uint64) ([]migration.Entry, error) {
	var all []migration.Entry
	err := j.with(ctx, func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, selectEntries, &sqlitex.ExecOptions{Args: []any{int64(min(seq, math.MaxInt64))}, ResultFunc: func(s *sqlite.Stmt) error {
			e, err := journal.Decode(uint64(s.ColumnInt64(0)), []byte(s.ColumnText(1)), ifCorrupt)
			all = append(all, e)
			return err
		}})
	})
	return all, err
}

// Append makes an entry durable.
func (j *Journal) Append(ctx context.Context, seq, term uint64, e migration.Entry) (migration.Entry, error) {
	text, err := journal.Encode(seq+1, &e)
	if err != nil {
		return e, err
	}
	return e, j.write(ctx, func(c *sqlite.Conn) error {
		if err := mayWrite(c, term); err != nil {
			return err
		}
		last, err := number(c, selectLast)
		if err == nil {
			err = journal.Follows(uint64(last), seq)
		}
		if err != nil {
			return err
		}
		return sqlitex.Execute(c, insertEntry, &sqlitex.ExecOptions{Args: []any{int64(e.Seq), string(text)}})
	})
}

// mayWrite says why a term may not write; nil: it may. Operators may always.
func mayWrite(c *sqlite.Conn, term uint64) error {
	have, err := lease(c)
	if err == nil {
		err = have.MayWrite(term, time.Now().UnixMilli())
	}
	return err
}

// Lease takes or renews the lease.
func (j *Journal) Lease(ctx context.Context, holder string, length time.Duration) (term uint64, err error) {
	var refused error
	err = j.write(ctx, func(c *sqlite.Conn) error {
		have, err := lease(c)
		if err != nil {
			return err
		}
		var now journal.Lease
		now, refused = have.Take(holder, length, time.Now().UnixMilli())
		if term = now.Term; now == have {
			return nil
		}
		return sqlitex.Execute(c, upsertLease, &sqlitex.ExecOptions{Args: []any{int64(now.Term), now.Holder, now.UntilMs}})
	})
	if err == nil {
		err = refused
	}
	return term, err
}

// Driver is who has it.
func (j *Journal) Driver(ctx context.Context) (holder string, left time.Duration, err error) {
	err = j.with(ctx, func(c *sqlite.Conn) error {
		have, err := lease(c)
		holder, left = have.Driver(time.Now().UnixMilli())
		return err
	})
	return holder, left, err
}

// Release gives it back.
func (j *Journal) Release(ctx context.Context, term uint64) error {
	return j.write(ctx, func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, endLease, &sqlitex.ExecOptions{Args: []any{int64(term)}})
	})
}

func lease(c *sqlite.Conn) (l journal.Lease, err error) {
	err = sqlitex.Execute(c, selectLease, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		l = journal.Lease{Term: uint64(s.ColumnInt64(0)), Holder: s.ColumnText(1), UntilMs: s.ColumnInt64(2)}
		return nil
	}})
	return l, err
}

// SaveSnapshot replaces it.
func (j *Journal) SaveSnapshot(ctx context.Context, term uint64, text []byte) error {
	if err := journal.CheckSnapshot(text); err != nil {
		return err
	}
	return j.write(ctx, func(c *sqlite.Conn) error {
		if err := mayWrite(c, term); err != nil {
			return err
		}
		return sqlitex.Execute(c, upsertSnapshot, &sqlitex.ExecOptions{Args: []any{text}})
	})
}

// Snapshot returns it.
func (j *Journal) Snapshot(ctx context.Context) (text []byte, err error) {
	return text, j.with(ctx, func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, selectSnapshot, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			text = make([]byte, s.ColumnLen(0))
			s.ColumnBytes(0, text)
			return nil
		}})
	})
}

// AddWindow adds one, and thins out where there are too many.
func (j *Journal) AddWindow(ctx context.Context, w journal.Window) error {
	text, err := json.Marshal(&w)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "a window that cannot be written")
	}
	n := j.windows.Load()
	err = j.write(ctx, func(c *sqlite.Conn) error {
		if err := sqlitex.Execute(c, insertWindow, &sqlitex.ExecOptions{Args: []any{int64(w.AtMs), string(text)}}); err != nil {
			return err
		}
		if n++; n > 1 && n <= journal.WindowsMax { // counting goes through the whole table
			return nil
		}
		if n, err = number(c, countWindows); err != nil || n <= journal.WindowsMax {
			return err
		}
		if err := sqlitex.Execute(c, thinWindows, &sqlitex.ExecOptions{Args: []any{n / 2}}); err != nil {
			return err
		}
		n, err = number(c, countWindows)
		return err
	})
	if err != nil {
		n = 0
	}
	j.windows.Store(n)
	return err
}

// Windows returns those that are kept.
func (j *Journal) Windows(ctx context.Context) ([]journal.Window, error) {
	var all []journal.Window
	err := j.with(ctx, func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, selectWindows, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			var w journal.Window
			if err := json.Unmarshal([]byte(s.ColumnText(0)), &w); err != nil {
				return fault.Wrap(fault.Corrupt, err, "a window of the journal cannot be read")
			}
			all = append(all, w)
			return nil
		}})
	})
	return all, err
}

func number(c *sqlite.Conn, query string) (n int64, err error) {
	return n, sqlitex.Execute(c, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	}})
}

// Close closes it.
func (j *Journal) Close() error { return translate(j.pool.Close(), "close the journal") }
