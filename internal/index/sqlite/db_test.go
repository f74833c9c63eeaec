// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/store/seal"
)

// TestSealed wants a clean stop to leave one file and its seal, and a start to take the seal off.
func TestSealed(t *testing.T) {
	dir, _ := made(t)
	if have := files(t, dir); have != "SEAL index.db" {
		t.Errorf("a clean stop left %s", have)
	}
	if r, err := seal.Check(dir, nil); err != nil || !r.Sealed || r.Files != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	db := mustOpen(t, dir)
	if r, err := seal.Check(dir, nil); err != nil || r.Sealed {
		t.Errorf("open: %+v, %v", r, err)
	}
	must(t, db.Close())
	must(t, db.Close())
}

// TestOpenRefuses opens what cannot be used. It says what to do, and leaves nothing open.
func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if db, err := Open(file, testChain, testGenesis); !fault.Is(err, fault.Unavailable) || db != nil {
		t.Errorf("the folder is a file: %v", err)
	}
	folder := t.TempDir()
	must(t, os.Mkdir(filepath.Join(folder, FileName), 0o700))
	if db, err := Open(folder, testChain, testGenesis); err == nil || db != nil {
		t.Errorf("the file is a folder: %v", err)
	}
	for _, c := range []struct {
		name, edit string
		kind       fault.Kind
	}{
		{"an older version", "UPDATE meta SET version = version - 1", fault.Conflict},
		{"a newer version", "UPDATE meta SET version = version + 1", fault.Conflict},
		{"another chain", "UPDATE meta SET chain = 4", fault.Conflict},
		{"another genesis", "UPDATE meta SET genesis = x'00'", fault.Conflict},
		{"no position", "DELETE FROM meta", fault.Corrupt},
		{"position 0", "UPDATE meta SET height = 0", fault.Corrupt},
		{"number 0", "UPDATE meta SET seq = 0", fault.Corrupt},
		{"other tables", "DROP TABLE meta", fault.Corrupt},
	} {
		dir, _ := made(t)
		edit(t, dir, c.edit)
		db, err := Open(dir, testChain, testGenesis)
		if !fault.Is(err, c.kind) || db != nil || !strings.Contains(err.Error(), "folder") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	dir, _ := made(t)
	must(t, os.WriteFile(filepath.Join(dir, FileName), []byte(strings.Repeat("no database", 1000)), 0o600))
	if _, err := Open(dir, testChain, testGenesis); !fault.Is(err, fault.Corrupt) {
		t.Errorf("no database: %v", err)
	}
}

// TestApplyMeetsOtherTables writes into a file that lost a table, or has the rows already.
func TestApplyMeetsOtherTables(t *testing.T) {
	for _, statement := range []string{
		"DROP TABLE blocks", "DROP TABLE gaps", "DROP TABLE transfers", "DROP TABLE by_account",
		"INSERT INTO blocks VALUES (9, x'', 0, 0)", "UPDATE meta SET seq = 50", "INSERT INTO by_account VALUES (0, 1, 51)",
	} {
		dir, _ := made(t)
		edit(t, dir, statement)
		db := mustOpen(t, dir)
		at := db.Position()
		g := block(at, 3)
		g.Gaps = []index.Gap{{From: index.Position{Height: 6}, To: 9}} // is there already
		if !strings.Contains(statement, "gaps") {
			g.Gaps = nil
		}
		if err := db.Apply(g); !fault.Is(err, fault.Corrupt) || db.Position() != at {
			t.Errorf("%s: %v, at %v", statement, err, db.Position())
		}
		must(t, db.Close())
	}
}

// TestChunks lists over the borders of chunks, and looks at a bounded number of them an answer.
func TestChunks(t *testing.T) {
	db := mustOpen(t, t.TempDir())
	db.seq = 1<<chunkBits - 5
	var all []history.Transfer
	add := func(g *index.Group) {
		must(t, db.Apply(g))
		all = append(all, g.Rows...)
	}
	add(block(db.Position(), 10))
	db.seq = (2*chunksPerAnswerMax+10)<<chunkBits - 2
	add(block(db.Position(), 4))
	for account := range chain.AccountNo(5) {
		for _, limit := range []int{1, 3, 5, 9, 100} {
			want := slices.DeleteFunc(slices.Clone(all), func(r history.Transfer) bool { return !r.Touches(account, 0) })
			slices.Reverse(want)
			have, answers := listAll(t, db, account, limit)
			if !slices.Equal(have, want) {
				t.Errorf("account %d by %d: %d transfers, want %d", account, limit, len(have), len(want))
			}
			if answers < 3 {
				t.Errorf("account %d by %d: %d answers looked at %d chunks", account, limit, answers, 2*chunksPerAnswerMax+11)
			}
		}
	}
	must(t, db.Close())
}

func listAll(t testing.TB, db *DB, account chain.AccountNo, limit int) (all []history.Transfer, answers int) {
	t.Helper()
	for before := uint64(0); ; {
		_, rows, next, err := db.Transfers(t.Context(), account, 0, before, limit)
		must(t, err)
		answers++
		all = append(all, rows...)
		if before = next; next == 0 {
			return all, answers
		}
	}
}

// TestReadMeetsOtherTables lists from a file that lost a table.
func TestReadMeetsOtherTables(t *testing.T) {
	for _, statement := range []string{"DROP TABLE transfers", "DROP TABLE by_account"} {
		dir, _ := made(t)
		edit(t, dir, statement)
		db := mustOpen(t, dir)
		if _, _, _, err := db.Transfers(t.Context(), 1, 0, 0, 10); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", statement, err)
		}
		must(t, db.Close())
	}
}
