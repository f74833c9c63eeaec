// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

func TestCheckURL(t *testing.T) {
	for _, c := range []struct{ url, says string }{
		{"postgres://u@h/d", ""},
		{"postgresql://u@h:5432/d?sslmode=verify-full&sslrootcert=/ca.pem&passfile=/p", ""},
		{"mysql://u@h/d", "postgres://"},
		{"postgres://u:seen@h/d", "password"},
		{"postgres://u@h/d?password=seen", "password"},
		{"postgres://u@h/d?sslpassword=seen", "password"},
		{"postgres:///d", "host"},
		{"postgres://u@h/d?passfile=p", "absolute"},
		{"postgres://u@h/d?sslrootcert=ca.pem", "absolute"},
		{"postgres://u:seen@h:port/d", "no URL"},
	} {
		err := CheckURL(c.url)
		if (err == nil) != (c.says == "") || err != nil && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "seen")) {
			t.Errorf("%s: %v", c.url, err)
		}
	}
}

// TestPassword opens with wrong, open and missing passfiles. No error and no log of the server has the password.
func TestPassword(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{Settings: []string{"log_statement=all", "log_connections=on"}})
	url := s.Database(t)
	mustOpen(t, url)
	dir := t.TempDir()
	wrong, exposed := filepath.Join(dir, "wrong"), filepath.Join(dir, "exposed")
	must(t, os.WriteFile(wrong, []byte("*:*:*:*:mistaken-4711\n"), 0o600))
	must(t, os.WriteFile(exposed, []byte("*:*:*:*:"+pgserver.Password+"\n"), 0o644))
	for _, c := range []struct{ passfile, says string }{{wrong, "28P01"}, {exposed, "chmod"}, {filepath.Join(dir, "none"), "passfile"}} {
		_, err := Open(t.Context(), Config{URL: strings.ReplaceAll(url, "passfile="+urlPath(s.Passfile()), "passfile="+urlPath(c.passfile))}, testChain, testGenesis)
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "mistaken") {
			t.Errorf("%s: %v", c.passfile, err)
		}
	}
	if strings.Contains(s.Log(), pgserver.Password) || strings.Contains(url, pgserver.Password) {
		t.Error("the password is seen")
	}
}

func urlPath(p string) string { return strings.ReplaceAll(p, "/", "%2F") }

// TestTLS verifies the server's certificate and name.
func TestTLS(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{TLS: true})
	other := pgserver.Start(t, pgserver.Options{TLS: true})
	verified := func(ca string) string {
		return strings.Replace(s.Database(t), "sslmode=require", "sslmode=verify-full&sslrootcert="+urlPath(ca), 1)
	}
	url := verified(s.CA())
	db := mustOpen(t, url)
	g := block(index.Start(), 5)
	must(t, db.Apply(g))
	wantExactly(t, db, g)
	encrypted := false
	must(t, db.conn.QueryRow(t.Context(), `SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`).Scan(&encrypted))
	if !encrypted {
		t.Error("the writer's session is not encrypted")
	}
	for name, bad := range map[string]string{"another authority": verified(other.CA()), "another name": strings.Replace(url, "127.0.0.1", "localhost", 1)} {
		if _, err := Open(t.Context(), Config{URL: bad}, testChain, testGenesis); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOpenRefuses opens what is not this program's index.
func TestOpenRefuses(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	for _, c := range []struct {
		name, edit string
		kind       fault.Kind
	}{
		{"another chain", "UPDATE aurigraph.meta SET chain = 4", fault.Conflict},
		{"another genesis", `UPDATE aurigraph.meta SET genesis = '\x00'`, fault.Conflict},
		{"a newer version", "INSERT INTO aurigraph.schema_version (version_id, is_applied) VALUES (99, true)", fault.Conflict},
		{"position 0", "UPDATE aurigraph.meta SET height = 0", fault.Corrupt},
		{"other tables", "DROP TABLE aurigraph.meta", fault.Corrupt},
		{"another product's schema", "DROP SCHEMA aurigraph CASCADE; CREATE SCHEMA aurigraph; CREATE TABLE aurigraph.meta (x int)", fault.Corrupt},
	} {
		url := s.Database(t)
		db := mustOpen(t, url)
		must(t, db.Apply(block(db.Position(), 3)))
		must(t, db.Close())
		s.Exec(t, databaseOf(t, url), c.edit)
		db, err := Open(t.Context(), Config{URL: url}, testChain, testGenesis)
		if !fault.Is(err, c.kind) || db != nil || !strings.Contains(err.Error(), "schema aurigraph") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestPartitions wants partitions to be made ahead, and lists to cross them and to end where old ones were dropped.
func TestPartitions(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	db := mustOpen(t, s.Database(t))
	var groups []*index.Group
	for range 10 {
		g := block(db.Position(), 400)
		must(t, db.Apply(g))
		groups = append(groups, g)
	}
	wantExactly(t, db, groups...)
	if have := text(t, db, `SELECT string_agg(no || ':' || coalesce(first_height::text, '-'), ' ' ORDER BY no) FROM aurigraph.partitions`); have != "0:1 1:3 2:6 3:8 4:-" {
		t.Errorf("partitions and their first heights: %s", have)
	}
	if have := text(t, db, `SELECT aurigraph.drop_below(4)::text`); have != "1" { // the third block lies in the first two
		t.Errorf("%s partitions were dropped", have)
	}
	for account := range chain.AccountNo(4) {
		_, have := listAll(t, db, account, 70)
		want := 0
		for i, g := range groups {
			for k, r := range g.Rows {
				if r.Touches(account, 0) && 400*i+k+1 >= 1<<smallBits {
					want++
				}
			}
		}
		if len(have) != want {
			t.Errorf("account %d has %d transfers, want %d", account, len(have), want)
		}
	}
	must(t, db.Apply(block(db.Position(), 1200)))
}

func text(t testing.TB, db *DB, query string) (out string) {
	t.Helper()
	must(t, db.conn.QueryRow(testContext(t), query).Scan(&out))
	return out
}

// TestBare loads partitions bare. Lists are right meanwhile; full partitions get their indexes, also those that a writer left who died.
func TestBare(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	db, err := Open(testContext(t), Config{URL: url, PartitionBits: smallBits, Bare: true}, testChain, testGenesis)
	must(t, err)
	var groups []*index.Group
	for range 8 {
		g := block(db.Position(), 600)
		must(t, db.Apply(g))
		groups = append(groups, g)
	}
	wantExactly(t, db, groups...)
	const state = `SELECT string_agg(no || ':' || indexed, ' ' ORDER BY no) FROM aurigraph.partitions`
	if have := text(t, db, state); have != "0:true 1:true 2:true 3:true 4:false 5:false" {
		t.Errorf("partitions: %s", have)
	}
	must(t, db.Close())
	db = mustOpen(t, url)
	wantExactly(t, db, groups...)
	if have := text(t, db, state); have != "0:true 1:true 2:true 3:true 4:true 5:true" {
		t.Errorf("partitions after a start: %s", have)
	}
	if have := text(t, db, `SELECT count(*)::text FROM pg_indexes WHERE schemaname = 'aurigraph' AND tablename LIKE 'transfers%'`); have != fmt.Sprint(4*6) {
		t.Errorf("%s indexes", have)
	}
}
