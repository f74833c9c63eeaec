// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/journal/journaltest"
	"github.com/aurigraph/aurigraph/internal/migration"
)

var engines = journaltest.Engines{
	Place:  func(t testing.TB) string { return filepath.Join(t.TempDir(), "journal") },
	Open:   func(ctx context.Context, dir string) (journal.Journal, error) { return Open(ctx, dir) },
	Fill:   fill,
	Writer: writer,
	Damage: map[string]func(testing.TB, string){
		"no database": func(t testing.TB, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, FileName), []byte(strings.Repeat("this is no database ", 1000)), 0o600))
		},
		"cut off": func(t testing.TB, dir string) { must(t, os.Truncate(filepath.Join(dir, FileName), 4096)) },
		"a page of nothing": func(t testing.TB, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, FileName), os.O_WRONLY, 0o600)
			must(t, err)
			_, err = f.WriteAt(make([]byte, 4096), 2*4096)
			must(t, err)
			must(t, f.Close())
		},
		"an entry's text":       statement(`UPDATE entries SET text = substr(text, 1, 20) WHERE seq = 2`),
		"an entry's number":     statement(`UPDATE entries SET seq = 3 WHERE seq = 2`),
		"an entry is not there": statement(`DELETE FROM entries WHERE seq = 1`),
		"a window":              statement(`UPDATE windows SET text = 'window'`),
		"no table":              statement(`DROP TABLE lease`),
	},
}

// writes names the place and the process that is to write there, instead of running tests.
const writes = "JOURNAL_TEST_WRITES"

func TestMain(m *testing.M) {
	place, name, is := strings.Cut(os.Getenv(writes), "\n")
	if !is {
		m.Run()
		return
	}
	fmt.Println("failed:", journaltest.Writes(context.Background(), place, name, engines))
}

func writer(ctx context.Context, place, name string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), writes+"="+place+"\n"+name)
	return cmd
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, dir, query string, args ...any) {
	t.Helper()
	c, err := sqlite.OpenConn(filepath.Join(dir, FileName))
	must(t, err)
	must(t, sqlitex.Execute(c, query, &sqlitex.ExecOptions{Args: args}))
	must(t, c.Close())
}

func statement(query string) func(testing.TB, string) {
	return func(t testing.TB, dir string) { run(t, dir, query) }
}

func fill(t testing.TB, dir string, n int) {
	run(t, dir, `WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < ? - 1)
		INSERT INTO windows (at_ms, text) SELECT ? + i * 1000, json_object('at_ms', ? + i * 1000, 'length_ms', 1000) FROM c`, n, journaltest.FilledFromMs, journaltest.FilledFromMs)
}

func TestSuite(t *testing.T) { journaltest.Run(t, engines) }

// TestOpenAtOnce has several make the same journal.
func TestOpenAtOnce(t *testing.T) {
	dir := engines.Place(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			j, err := Open(t.Context(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestOpenRefuses says why a journal is not opened.
func TestOpenRefuses(t *testing.T) {
	dir := engines.Place(t)
	j, err := Open(t.Context(), dir)
	must(t, err)
	must(t, j.Close())
	run(t, dir, `UPDATE meta SET version = 2`)
	if _, err := Open(t.Context(), dir); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("another version: %v", err)
	}
	if _, err := Open(t.Context(), filepath.Join(dir, FileName, "below a file")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no folder: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ended, dir); !fault.Is(err, fault.Timeout) {
		t.Errorf("the end of patience: %v", err)
	}
}

// TestLocked has another process hold the file: who waits too long may try again, and nothing of his is there.
func TestLocked(t *testing.T) {
	dir := engines.Place(t)
	j, err := Open(t.Context(), dir)
	must(t, err)
	defer j.Close()
	c, err := sqlite.OpenConn(filepath.Join(dir, FileName))
	must(t, err)
	must(t, sqlitex.ExecuteTransient(c, "BEGIN IMMEDIATE", nil))
	if _, err := j.Append(t.Context(), 0, journal.NoTerm, migration.Entry{Kind: migration.KindPause}); !fault.Is(err, fault.TryLater) {
		t.Errorf("a locked file: %v", err)
	}
	if all, err := j.Read(t.Context(), 0); err != nil || len(all) != 0 {
		t.Errorf("readers wait for writers: %+v, %v", all, err)
	}
	must(t, sqlitex.ExecuteTransient(c, "ROLLBACK", nil))
	must(t, c.Close())
	if e, err := j.Append(t.Context(), 0, journal.NoTerm, migration.Entry{Kind: migration.KindPause}); err != nil || e.Seq != 1 {
		t.Errorf("afterwards: %+v, %v", e, err)
	}
}
