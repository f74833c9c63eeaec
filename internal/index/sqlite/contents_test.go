// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/store/seal"
)

const testChain chain.ChainID = 3

var testGenesis = chain.Hash{3}

// block makes a group that is one block of transfers between accounts 1 to 3, at a position.
func block(at index.Position, rows int) *index.Group {
	g := &index.Group{From: at, Next: index.Position{Height: at.Height + 1}, Blocks: []index.Block{{Height: at.Height, Items: uint64(rows), TimeUs: 9}}}
	for i := range rows {
		g.Rows = append(g.Rows, history.Transfer{
			Height: at.Height, Item: uint32(i), From: chain.AccountNo(1 + i%3), To: chain.AccountNo(1 + (i+1)%3), Asset: 1,
			Amount: chain.Units(uint64(i)), Kind: history.KindTransfer, TimeUs: 9,
		})
		if i%4 == 3 {
			g.Rows[i].Origin = history.Origin{Ms: 8, Round: uint64(at.Height), Place: uint32(i)}
		}
	}
	return g
}

func mustOpen(t testing.TB, dir string) *DB {
	t.Helper()
	db, err := Open(dir, testChain, testGenesis)
	must(t, err)
	return db
}

// made makes a closed index of five blocks and a gap, in a folder whose name needs care in a URI.
func made(t testing.TB) (dir string, rows []history.Transfer) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "in#dex 100%?x")
	db := mustOpen(t, dir)
	for range 5 {
		g := block(db.Position(), 10)
		must(t, db.Apply(g))
		rows = append(rows, g.Rows...)
	}
	must(t, db.Apply(&index.Group{From: db.Position(), Next: index.Position{Height: 9}, Gaps: []index.Gap{{From: db.Position(), To: 9}}}))
	must(t, db.Close())
	return dir, rows
}

func mustRead(t testing.TB, dir string) *Contents {
	t.Helper()
	c, err := ReadContents(t.Context(), dir, testChain, testGenesis)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// checked is what Check finds, as lines.
func checked(t testing.TB, c *Contents) (found []string) {
	t.Helper()
	must(t, c.Check(t.Context(), func(d index.Difference) { found = append(found, d.Where+": "+d.What) }))
	return found
}

func transfersOf(t testing.TB, c *Contents) (rows []history.Transfer, err error) {
	t.Helper()
	for r, err := range c.Transfers() {
		if err != nil {
			return rows, err
		}
		rows = append(rows, *r)
	}
	return rows, nil
}

func files(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// TestContents reads a closed index, and one that a kill left behind, and changes neither.
func TestContents(t *testing.T) {
	dir, rows := made(t)
	closed := mustRead(t, dir)
	if found := checked(t, closed); len(found) > 0 {
		t.Errorf("%q", found)
	}
	db := mustOpen(t, dir)
	more := block(db.Position(), 4)
	must(t, db.Apply(more))
	killed := crashed(t, dir)
	must(t, db.Close())
	before := files(t, killed)
	if !strings.Contains(before, "index.db-wal") {
		t.Fatalf("the kill left no journal: %s", before)
	}
	after := mustRead(t, killed)
	if found := checked(t, after); len(found) > 0 {
		t.Errorf("%q", found)
	}
	for _, c := range []struct {
		contents *Contents
		position index.Position
		rows     []history.Transfer
		blocks   int
	}{{closed, index.Position{Height: 9}, rows, 5}, {after, index.Position{Height: 10}, append(slices.Clone(rows), more.Rows...), 6}} {
		have, err := transfersOf(t, c.contents)
		blocks := 0
		for b, err := range c.contents.Blocks() {
			must(t, err)
			blocks++
			if b.Items == 0 || b.TimeUs != 9 {
				t.Errorf("block %+v", b)
			}
		}
		gaps := []index.Gap{}
		for g, err := range c.contents.Gaps() {
			must(t, err)
			gaps = append(gaps, g)
		}
		if err != nil || c.contents.Position() != c.position || !slices.Equal(have, c.rows) || blocks != c.blocks ||
			!slices.Equal(gaps, []index.Gap{{From: index.Position{Height: 6}, To: 9}}) {
			t.Errorf("%v, %d transfers (want %d), %d blocks, gaps %v, %v", c.contents.Position(), len(have), len(c.rows), blocks, gaps, err)
		}
	}
	if now := files(t, killed); now != before {
		t.Errorf("the folder had %s, and has %s", before, now)
	}
	scratch := after.scratch
	must(t, after.Close())
	if _, err := os.Stat(scratch); !os.IsNotExist(err) {
		t.Errorf("the copy in %s is left: %v", scratch, err)
	}
}

// TestContentsRefusals opens what is no index of the chain.
func TestContentsRefusals(t *testing.T) {
	dir, _ := made(t)
	must(t, seal.Remove(dir))
	damaged := crashed(t, dir)
	must(t, os.WriteFile(filepath.Join(damaged, FileName), []byte(strings.Repeat("no database", 1000)), 0o600))
	for _, c := range []struct {
		name, dir string
		id        chain.ChainID
		kind      fault.Kind
	}{
		{"no folder", filepath.Join(dir, "none"), testChain, fault.NotFound},
		{"no file", t.TempDir(), testChain, fault.NotFound},
		{"another chain", dir, testChain + 1, fault.Conflict},
		{"no database", damaged, testChain, fault.Corrupt},
	} {
		if r, err := ReadContents(t.Context(), c.dir, c.id, testGenesis); !fault.Is(err, c.kind) || r != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	empty := t.TempDir()
	must(t, os.WriteFile(filepath.Join(empty, FileName), nil, 0o600))
	c := mustRead(t, empty)
	rows, err := transfersOf(t, c)
	if found := checked(t, c); err != nil || len(rows)+len(found) > 0 || c.Position() != index.Start() {
		t.Errorf("an index that was being made: %d rows, %q, %v", len(rows), found, err)
	}
}

// edit runs statements in the file of a closed index.
func edit(t testing.TB, dir string, statements ...string) {
	t.Helper()
	c, err := sqlite.OpenConn(filepath.Join(dir, FileName), sqlite.OpenReadWrite)
	must(t, err)
	for _, s := range statements {
		must(t, sqlitex.ExecuteScript(c, s, nil))
	}
	must(t, c.Close())
}

// unfindable makes the index by V10's id anew with fewer rows in it, and lets it say that it has all.
const unfindable = `DROP INDEX by_origin;
	CREATE INDEX by_origin ON transfers (v10_round, v10_place) WHERE v10_round > 1;
	PRAGMA writable_schema = ON;
	UPDATE sqlite_schema SET sql = replace(sql, 'v10_round > 1', 'v10_round > 0') WHERE name = 'by_origin';
	PRAGMA writable_schema = RESET`

// TestCheck changes what only the file itself can tell.
func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, edit, want string }{
		{"table added", "CREATE TABLE more (x)", "tables: the file has other tables"},
		{"trigger added", "CREATE TRIGGER more AFTER INSERT ON transfers BEGIN DELETE FROM gaps; END", "tables: the file has other tables"},
		{"table dropped", "DROP TABLE by_account", "tables: the file has other tables"},
		{"hole", "DELETE FROM transfers WHERE seq = 7", "numbers: 49 transfers are numbered 1 to 50, the next is said to be 51"},
		{"first number", "UPDATE transfers SET seq = 0 WHERE seq = 1", "numbers: 50 transfers are numbered 0 to 50"},
		{"a number far off", "UPDATE transfers SET seq = 60 WHERE seq = 7", "numbers: 50 transfers are numbered 1 to 60, the next is said to be 51"},
		{"next number", "UPDATE meta SET seq = 60", "the next is said to be 60"},
		{"listed for another", "UPDATE by_account SET account = 9 WHERE account = 1 AND seq = 1", "lists by account: account, transfer: 9, 1 is not one"},
		{"listed in another chunk", "UPDATE by_account SET chunk = 1 WHERE account = 1 AND seq = 1", "1, 1 is not one"},
		{"listed without a transfer", "INSERT INTO by_account VALUES (0, 1, 51)", "1, 51 is not one"},
		{"listed for nobody", "INSERT INTO by_account VALUES (0, 0, 50)", "0, 50 is not one"},
		{"not listed", "DELETE FROM by_account WHERE account = 2 AND seq = 11", "lists by account: height 2, batch 0, item 0 is not in the lists"},
		{"half an id of V10", "UPDATE transfers SET v10_place = 2 WHERE seq = 3", "ids of V10: height 1, batch 0, item 2 has a part of one"},
		{"no time in an id of V10", "UPDATE transfers SET v10_ms = NULL WHERE seq = 4", "ids of V10: height 1, batch 0, item 3 has a part of one"},
		{"an id of V10 that is all zero", "UPDATE transfers SET v10_ms = 0, v10_round = 0, v10_place = 0 WHERE seq = 3", "ids of V10: height 1, batch 0, item 2"},
		{"not found by V10's id", unfindable, "pages: row 4 missing from index by_origin"},
		{"value of another type", "UPDATE transfers SET payer = 'x' WHERE seq = 3", "account"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			dir, _ := made(t)
			edit(t, dir, c.edit)
			found := checked(t, mustRead(t, dir))
			if !slices.ContainsFunc(found, func(d string) bool { return strings.Contains(d, c.want) }) {
				t.Errorf("%q is not found: %q", c.want, found)
			}
		})
	}
}

// TestStrict writes values that reading would turn into others.
func TestStrict(t *testing.T) {
	for _, c := range []string{
		"batch = 4294967296", "item = -1", "payer = 4294967297", "payer = 'one'", "payer = 1.5", "kind = 7", "kind = -1", "outcome = 256",
		"id = x'00'", "id = 'text'", "reference = x''", "time_us = 'now'", "height = -1", "amount_lo = x'00'",
		"v10_ms = 'x'", "v10_round = -1", "v10_place = 4294967296",
	} {
		dir, _ := made(t)
		edit(t, dir, "UPDATE transfers SET "+c+" WHERE seq = 3")
		rows, err := transfersOf(t, mustRead(t, dir))
		if !fault.Is(err, fault.Corrupt) || len(rows) != 2 {
			t.Errorf("%s: %d rows, %v", c, len(rows), err)
		}
	}
	dir, _ := made(t)
	edit(t, dir, "UPDATE blocks SET hash = x'00' WHERE height = 2", "UPDATE gaps SET from_batch = -1")
	c := mustRead(t, dir)
	for _, err := range c.Gaps() {
		if !fault.Is(err, fault.Corrupt) {
			t.Error(err)
		}
	}
	n := 0
	for _, err := range c.Blocks() {
		if n++; n == 2 && !fault.Is(err, fault.Corrupt) {
			t.Error(err)
		}
	}
	if n != 2 {
		t.Errorf("%d blocks", n)
	}
}

// TestPagesDamaged overwrites pages of the file.
func TestPagesDamaged(t *testing.T) {
	dir, _ := made(t)
	path := filepath.Join(dir, FileName)
	data, err := os.ReadFile(path)
	must(t, err)
	for page := 4096; page < len(data); page += 4096 {
		damaged := slices.Clone(data)
		copy(damaged[page:page+64], strings.Repeat("\xff", 64))
		must(t, os.WriteFile(path, damaged, 0o600))
		c, err := ReadContents(t.Context(), dir, testChain, testGenesis)
		if fault.Is(err, fault.Corrupt) {
			continue
		}
		must(t, err)
		if found := checked(t, c); len(found) == 0 {
			t.Errorf("nothing was found at byte %d of %d", page, len(data))
		}
		must(t, c.Close())
	}
}

// TestCheckEnds ends with ctx.
func TestCheckEnds(t *testing.T) {
	dir, _ := made(t)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := ReadContents(ctx, dir, testChain, testGenesis)
	must(t, err)
	cancel()
	if err := c.Check(ctx, func(d index.Difference) { t.Error(d) }); !fault.Is(err, fault.Timeout) {
		t.Error(err)
	}
	must(t, c.Close())
}

// TestReadByARelativePath reads an index as a person in its folder's parent names it.
func TestReadByARelativePath(t *testing.T) {
	dir, _ := made(t)
	t.Chdir(filepath.Dir(dir))
	c, err := ReadContents(t.Context(), filepath.Base(dir), testChain, testGenesis)
	must(t, err)
	must(t, c.Close())
}
