// SPDX-License-Identifier: Apache-2.0

package sqlitefault

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func open(t *testing.T, path string) *sqlite.Conn {
	t.Helper()
	c, err := sqlite.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestWrap makes SQLite itself fail in each of the ways.
func TestWrap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	c, other := open(t, path), open(t, path)
	run := func(c *sqlite.Conn, statement string) error { return sqlitex.ExecuteTransient(c, statement, nil) }
	for _, statement := range []string{"CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT NOT NULL)", "INSERT INTO t VALUES (1, 'a')"} {
		if err := run(c, statement); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	other.SetInterrupt(ended.Done())
	interrupted := run(other, "SELECT count(*) FROM t")
	other.SetInterrupt(nil)
	other.SetBusyTimeout(0)
	if err := run(c, "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	busy := run(other, "BEGIN IMMEDIATE")
	noDB := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(noDB, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, noDatabase := sqlite.OpenConn(noDB)
	_, noFolder := sqlite.OpenConn(filepath.Join(t.TempDir(), "none", "x.db"))
	own := fault.Reasoned(fault.Refused, "mine", "it has a kind")
	for name, x := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"twice": {run(c, "INSERT INTO t VALUES (1, 'b')"), fault.Corrupt}, "no such table": {run(c, "SELECT * FROM u"), fault.Corrupt},
		"mismatch": {run(c, "INSERT INTO t VALUES ('x', 'b')"), fault.Corrupt}, "no database": {noDatabase, fault.Corrupt},
		"busy": {busy, fault.TryLater}, "interrupted": {interrupted, fault.Timeout}, "no folder": {noFolder, fault.Unavailable},
		"system": {&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, fault.Unavailable}, "number": {syscall.ENOSPC, fault.Unavailable}, "its own kind": {fmt.Errorf("so: %w", own), fault.Refused},
	} {
		got := Wrap(x.err, "try it", "delete it")
		if x.err == nil || !fault.Is(got, x.kind) {
			t.Errorf("%s: %v, want %s", name, got, x.kind)
		}
		if says := strings.Contains(got.Error(), "try it (delete it)"); says != (x.kind == fault.Corrupt) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if Wrap(nil, "try it", "delete it") != nil {
		t.Error("no error is none")
	}
}
