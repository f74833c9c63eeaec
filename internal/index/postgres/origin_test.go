// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// synced makes a block of transfers of which every other one came from V10.
func synced(at index.Position, rows int) *index.Group {
	g := block(at, rows)
	for i := range g.Rows {
		if i%2 == 1 {
			g.Rows[i].Origin = history.Origin{Ms: 7, Round: uint64(at.Height), Place: uint32(i)}
		}
	}
	return g
}

// wantOrigins looks rows up by V10's id.
func wantOrigins(t testing.TB, r index.Reader, rows []history.Transfer) {
	t.Helper()
	for _, want := range rows {
		o := want.Origin
		if o.Round == 0 {
			continue
		}
		if have, err := r.ByOrigin(t.Context(), o.Round, o.Place); err != nil || have != want {
			t.Fatalf("%+v: %+v, %v", o, have, err)
		}
		if _, err := r.ByOrigin(t.Context(), o.Round, o.Place-1); !fault.Is(err, fault.NotFound) {
			t.Fatalf("place %d of round %d: %v", o.Place-1, o.Round, err)
		}
	}
}

func texts(t testing.TB, db *DB, query string, args ...any) []string {
	t.Helper()
	q, err := db.conn.Query(t.Context(), query, args...)
	must(t, err)
	out, err := pgx.CollectRows(q, pgx.RowTo[string])
	must(t, err)
	return out
}

// indexesByOrigin are the partitions that have an index by V10's id.
func indexesByOrigin(t testing.TB, db *DB) []string {
	t.Helper()
	return texts(t, db, `SELECT tablename FROM pg_indexes WHERE schemaname = 'aurigraph' AND indexname LIKE '%\_origin' ORDER BY 1`)
}

// TestMigrateFilled brings the tables of before up to date while they are full of rows: all is there, and what comes from V10 is found.
func TestMigrateFilled(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	db := mustOpen(t, url)
	var groups []*index.Group
	for range 5 {
		g := block(db.Position(), 500)
		must(t, db.Apply(g))
		groups = append(groups, g)
	}
	_, err := db.conn.Exec(t.Context(), `ALTER TABLE aurigraph.transfers DROP COLUMN v10_ms, DROP COLUMN v10_round, DROP COLUMN v10_place;
		ALTER TABLE aurigraph.partitions DROP COLUMN v10_first, DROP COLUMN v10_last;
		DELETE FROM aurigraph.schema_version WHERE version_id > 1`)
	must(t, err)
	if have := indexesByOrigin(t, db); len(have) != 0 {
		t.Fatalf("the tables of before have %v", have)
	}
	must(t, db.Close())
	if _, err := OpenReader(t.Context(), Config{URL: url}, testChain, testGenesis); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a reader of tables of before: %v", err)
	}

	db = mustOpen(t, url)
	if have, want := indexesByOrigin(t, db), []string{"transfers_000000002", "transfers_000000003"}; !slices.Equal(have, want) {
		t.Errorf("an index by V10's id have %v, want %v", have, want)
	}
	g := synced(db.Position(), 1500)
	must(t, db.Apply(g))
	wantExactly(t, db, append(groups, g)...)
	wantOrigins(t, db, g.Rows)
}

// TestOriginsAcrossPartitions finds what V10 made in whichever partition it lies, and asks only those that may have it.
func TestOriginsAcrossPartitions(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	for _, bare := range []bool{false, true} {
		t.Run(fmt.Sprint("bare ", bare), func(t *testing.T) {
			db, err := Open(testContext(t), Config{URL: s.Database(t), PartitionBits: smallBits, Bare: bare}, testChain, testGenesis)
			must(t, err)
			defer func() { must(t, db.Close()) }()
			groups := []*index.Group{synced(db.Position(), 900)}
			must(t, db.Apply(groups[0]))
			for range 3 {
				g := block(db.Position(), 800)
				must(t, db.Apply(g))
				groups = append(groups, g)
			}
			g := synced(db.Position(), 1100)
			must(t, db.Apply(g))
			wantOrigins(t, db, groups[0].Rows)
			wantOrigins(t, db, g.Rows)
			have := texts(t, db, `SELECT no || ':' || coalesce(v10_first || '-' || v10_last, 'none') FROM aurigraph.partitions ORDER BY no`)
			if want := []string{"0:1-1", "1:none", "2:none", "3:5-5", "4:5-5", "5:none"}; !slices.Equal(have, want) {
				t.Errorf("the partitions have rounds %v, want %v", have, want)
			}
			want := []string{"transfers_000000000", "transfers_000000001", "transfers_000000002", "transfers_000000003", "transfers_000000004", "transfers_000000005"}
			if bare {
				want = want[:4] // the others are not full
			}
			if have := indexesByOrigin(t, db); !slices.Equal(have, want) {
				t.Errorf("an index by V10's id have %v, want %v", have, want)
			}
		})
	}
}

// TestOriginPlan wants the partial index to serve the statement as it is prepared, and to have no entry where nothing came from V10.
func TestOriginPlan(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	db := mustOpen(t, s.Database(t))
	must(t, db.Apply(block(db.Position(), 1023)))
	if pages := texts(t, db, `SELECT pg_relation_size('aurigraph.transfers_000000000_origin')::text`); pages[0] != "8192" {
		t.Errorf("an index without entries has %s bytes", pages[0])
	}
	must(t, db.Apply(synced(db.Position(), 1000)))
	_, err := db.conn.Exec(t.Context(), `ANALYZE aurigraph.transfers_000000001; SET plan_cache_mode = force_generic_plan;
		PREPARE look (bigint, integer, bigint) AS SELECT `+transferColumns+` FROM `+partitionTable(1)+ofOrigin)
	must(t, err)
	plan := strings.Join(texts(t, db, `EXPLAIN EXECUTE look (2, 7, 3000)`), "\n")
	if !strings.Contains(plan, "transfers_000000001_origin") {
		t.Error(plan)
	}
}
