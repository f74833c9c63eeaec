// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/names"
	"github.com/aurigraph/aurigraph/internal/names/namestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	namestest.Run(t, namestest.Engines{
		Open: func(dir string, id chain.ChainID, genesis chain.Hash) (names.Vault, error) {
			v, err := Open(t.Context(), dir, id, genesis)
			if err != nil {
				return nil, err
			}
			return v, nil
		},
		Crash: func(t testing.TB, dir string) string {
			to := t.TempDir()
			for _, name := range []string{FileName, FileName + "-wal"} { // the -shm is memory, gone with the process
				text, err := os.ReadFile(filepath.Join(dir, name))
				must(t, err)
				must(t, os.WriteFile(filepath.Join(to, name), text, 0o600))
			}
			return to
		},
		Holds: func(t testing.TB, dir, text string) bool {
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			must(t, err)
			for _, name := range files {
				have, err := os.ReadFile(name)
				must(t, err)
				if bytes.Contains(have, []byte(text)) {
					return true
				}
			}
			return false
		},
	})
}

// TestOwnerOnly wants no file that others may read: names are personal data.
func TestOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	v, err := Open(t.Context(), dir, 1, chain.Hash{1})
	must(t, err)
	defer v.Close()
	must(t, v.Put(t.Context(), map[chain.AccountNo]string{1: "one"}))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	if len(files) < 2 {
		t.Fatalf("no log beside the file: %v", files)
	}
	for _, name := range append(files, dir) {
		info, err := os.Stat(name)
		must(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// TestOpenRefuses opens what cannot be used, and leaves nothing open.
func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := Open(t.Context(), file, 1, chain.Hash{1}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the folder is a file: %v", err)
	}
	for statement, kind := range map[string]fault.Kind{
		"UPDATE meta SET version = 2": fault.Conflict, "DELETE FROM meta": fault.Corrupt, "DROP TABLE meta": fault.Corrupt,
	} {
		dir := t.TempDir()
		v, err := Open(t.Context(), dir, 1, chain.Hash{1})
		must(t, err)
		must(t, v.Close())
		c, err := sqlite.OpenConn(filepath.Join(dir, FileName), sqlite.OpenReadWrite)
		must(t, err)
		must(t, sqlitex.ExecuteTransient(c, statement, nil))
		must(t, c.Close())
		if _, err := Open(t.Context(), dir, 1, chain.Hash{1}); !fault.Is(err, kind) {
			t.Errorf("%s: %v", statement, err)
		}
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, FileName), bytes.Repeat([]byte("no database"), 1000), 0o600))
	if _, err := Open(t.Context(), dir, 1, chain.Hash{1}); !fault.Is(err, fault.Corrupt) {
		t.Errorf("no database: %v", err)
	}
}

// TestForgetHeldUp keeps a reader in the vault while a name is forgotten: it is gone for all, and the caller is told that a file
// still has it, until the reader is through.
func TestForgetHeldUp(t *testing.T) {
	dir := t.TempDir()
	v, err := Open(t.Context(), dir, 1, chain.Hash{1})
	must(t, err)
	defer v.Close()
	must(t, v.Put(t.Context(), map[chain.AccountNo]string{1: "one"}))
	reader, err := v.pool.Take(t.Context())
	must(t, err)
	must(t, sqlitex.ExecuteTransient(reader, "BEGIN", nil))
	_, _, err = get(reader, 1)
	must(t, err)
	if had, err := v.Forget(t.Context(), 1); !had || !fault.Is(err, fault.TryLater) {
		t.Errorf("%v, %v", had, err)
	}
	if have, err := v.Get(t.Context(), []chain.AccountNo{1}); err != nil || len(have) != 0 {
		t.Errorf("%v, %v", have, err)
	}
	must(t, sqlitex.ExecuteTransient(reader, "COMMIT", nil))
	v.pool.Put(reader)
	if had, err := v.Forget(t.Context(), 1); had || err != nil {
		t.Errorf("%v, %v", had, err)
	}
}

// processFolder names the vault that a test process of TestProcesses writes to.
const processFolder = "NAMES_VAULT_OF_TEST"

// TestProcesses has several processes put names into one vault at once.
func TestProcesses(t *testing.T) {
	const processes, rounds, each = 3, 10, 20
	dir := os.Getenv(processFolder)
	if dir != "" {
		v, err := Open(t.Context(), dir, 1, chain.Hash{1})
		must(t, err)
		for r := range rounds {
			entries := map[chain.AccountNo]string{}
			for i := range each {
				no := chain.AccountNo(r*each + i + 1)
				entries[no] = fmt.Sprint("name ", no)
			}
			must(t, v.Put(t.Context(), entries))
		}
		must(t, v.Close())
		return
	}
	dir = t.TempDir()
	var all sync.WaitGroup
	for range processes {
		all.Go(func() {
			c := exec.Command(os.Args[0], "-test.run=^TestProcesses$")
			c.Env = append(os.Environ(), processFolder+"="+dir)
			if text, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
	all.Wait()
	v, err := Open(t.Context(), dir, 1, chain.Hash{1})
	must(t, err)
	defer v.Close()
	if n, err := v.Count(t.Context()); err != nil || n != rounds*each {
		t.Errorf("%d names, %v", n, err)
	}
}
