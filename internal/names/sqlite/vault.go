// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/names"
	"github.com/aurigraph/aurigraph/internal/sqlitefault"
)

// FileName is the name of the vault's file in its folder.
const FileName = "names.db"

// Bounds of an open vault.
const (
	connectionsMax = 4               // calls at once; more wait
	busyMax        = 2 * time.Second // how long a call waits for another's write, and emptying the log for its readers
)

// Vault is an open vault. It is safe for concurrent use.
type Vault struct {
	pool *sqlitex.Pool
}

var _ names.Vault = (*Vault)(nil)

// Open opens the vault in dir, or makes it. That of another chain or version is a Conflict, a damaged one Corrupt.
func Open(ctx context.Context, dir string, id chain.ChainID, genesis chain.Hash) (*Vault, error) {
	path := filepath.Join(dir, FileName)
	if err := makeFile(dir, path); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the names vault")
	}
	pool, err := sqlitex.NewPool(path, sqlitex.PoolOptions{
		Flags: sqlite.OpenReadWrite | sqlite.OpenCreate | sqlite.OpenWAL, PoolSize: connectionsMax, PrepareConn: prepare,
	})
	if err != nil {
		return nil, translate(err, "open the names vault")
	}
	v := &Vault{pool: pool}
	if err := v.with(ctx, func(c *sqlite.Conn) error { return begin(c, id, genesis) }); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// makeFile makes an empty file that others may not read: SQLite gives its log the same mode.
func makeFile(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func prepare(c *sqlite.Conn) error {
	c.SetBusyTimeout(busyMax)
	for _, p := range []string{
		"PRAGMA mmap_size = 0", "PRAGMA temp_store = MEMORY", "PRAGMA trusted_schema = OFF", "PRAGMA synchronous = FULL", "PRAGMA secure_delete = ON",
	} {
		if err := sqlitex.ExecuteTransient(c, p, nil); err != nil {
			return err
		}
	}
	return nil
}

// with lends a connection to do. At ctx's end its statements end.
func (v *Vault) with(ctx context.Context, do func(*sqlite.Conn) error) error {
	c, err := v.pool.Take(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return fault.Wrap(fault.Timeout, ctx.Err(), "wait for the names vault")
		}
		return translate(err, "use the names vault")
	}
	defer v.pool.Put(c)
	return translate(do(c), "use the names vault")
}

// ifCorrupt is what to do about a damaged vault.
const ifCorrupt = "it may be deleted while nobody uses it: names come back as they are used"

func translate(err error, what string) error { return sqlitefault.Wrap(err, what, ifCorrupt) }

// Put stores names of numbers that have none.
func (v *Vault) Put(ctx context.Context, entries map[chain.AccountNo]string) error {
	if err := names.CheckNames(entries); err != nil || len(entries) == 0 {
		return err
	}
	return v.with(ctx, func(c *sqlite.Conn) (err error) {
		end, err := sqlitex.ImmediateTransaction(c)
		if err != nil {
			return err
		}
		defer end(&err)
		for _, no := range slices.Sorted(maps.Keys(entries)) {
			if err := put(c, no, entries[no]); err != nil {
				return err
			}
		}
		return nil
	})
}

func put(c *sqlite.Conn, no chain.AccountNo, name string) error {
	s, err := c.Prepare(insertName)
	if err != nil {
		return err
	}
	s.BindInt64(1, int64(no))
	s.BindBytes(2, []byte(name))
	if _, err := s.Step(); err != nil {
		return err
	}
	if err := s.Reset(); err != nil || c.Changes() > 0 {
		return err
	}
	have, _, err := get(c, no)
	if err == nil && have != name {
		err = names.ErrTaken(no)
	}
	return err
}

func get(c *sqlite.Conn, number chain.AccountNo) (name string, found bool, err error) {
	s, err := c.Prepare(selectName)
	if err != nil {
		return "", false, err
	}
	s.BindInt64(1, int64(number))
	if found, err = s.Step(); err != nil || !found {
		return "", false, err
	}
	b := make([]byte, s.ColumnLen(0))
	s.ColumnBytes(0, b)
	return string(b), true, s.Reset()
}

// Get finds names.
func (v *Vault) Get(ctx context.Context, numbers []chain.AccountNo) (known map[chain.AccountNo]string, err error) {
	if err := names.CheckNumbers(numbers); err != nil {
		return nil, err
	}
	known = make(map[chain.AccountNo]string, len(numbers))
	err = v.with(ctx, func(c *sqlite.Conn) (err error) {
		end := sqlitex.Transaction(c)
		defer end(&err)
		for _, no := range numbers {
			name, found, err := get(c, no)
			if err != nil {
				return err
			}
			if found {
				known[no] = name
			}
		}
		return nil
	})
	return known, err
}

// Count is how many names there are.
func (v *Vault) Count(ctx context.Context) (n uint64, err error) {
	err = v.with(ctx, func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, countNames, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			n = uint64(s.ColumnInt64(0))
			return nil
		}})
	})
	return n, err
}

// Forget erases a name.
func (v *Vault) Forget(ctx context.Context, number chain.AccountNo) (had bool, err error) {
	err = v.with(ctx, func(c *sqlite.Conn) error {
		if err := sqlitex.Execute(c, deleteName, &sqlitex.ExecOptions{Args: []any{int64(number)}}); err != nil {
			return err
		}
		had = c.Changes() > 0
		// A call that found nothing may be the second try of one whose log could not be emptied.
		return scrub(c)
	})
	return had, err
}

// scrub empties the log, in which pages stand as they were. Others who read meanwhile hold it up.
func scrub(c *sqlite.Conn) error {
	busy := false
	err := sqlitex.ExecuteTransient(c, "PRAGMA wal_checkpoint(TRUNCATE)", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		busy = s.ColumnInt(0) != 0
		return nil
	}})
	if code := sqlite.ErrCode(err).ToPrimary(); busy || code == sqlite.ResultBusy || code == sqlite.ResultLocked {
		return fault.Reasoned(fault.TryLater, "vault_busy", "the name is deleted, but others read the vault and a file still has its bytes: forget it again in a moment")
	}
	return err
}

// Close releases the file. Nobody may use v meanwhile.
func (v *Vault) Close() error { return translate(v.pool.Close(), "close the names vault") }
