// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/imported/importedtest"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// smallBits make several partitions of few rows.
const smallBits = 10

// enginesOf opens histories in the databases of a server.
func enginesOf(s *pgserver.Server) importedtest.Engines {
	return importedtest.Engines{
		Place: func(t testing.TB) string { return s.Database(t) },
		Open: func(ctx context.Context, url string, id imported.Identity) (imported.Writer, error) {
			return Open(ctx, Config{URL: url, PartitionBits: smallBits}, id)
		},
		Loader: loader,
		Read: func(ctx context.Context, url string, id imported.Identity) (imported.Reader, error) {
			return OpenReader(ctx, url, id)
		},
	}
}

// loads names the place that a process of this test binary is to load, instead of running tests.
const loads = "IMPORTED_TEST_LOADS"

func TestMain(m *testing.M) {
	place := os.Getenv(loads)
	if place == "" {
		m.Run()
		return
	}
	if err := importedtest.Loads(context.Background(), place, enginesOf(nil)); err != nil {
		fmt.Println("failed:", err)
	}
}

func loader(ctx context.Context, place string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), loads+"="+place)
	return cmd
}

func TestSuite(t *testing.T) { importedtest.Run(t, enginesOf(pgserver.Start(t, pgserver.Options{}))) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var testIdentity = imported.Identity{Chain: 3, Genesis: chain.Hash{3}, Sequence: 9}

func rowsFrom(seq uint64, n int) []imported.Row {
	rows := make([]imported.Row, n)
	for i := range rows {
		at := seq + uint64(i)
		rows[i] = imported.Row{Seq: at, Ms: at, Round: at, Payer: chain.AccountNo(at % 9), Payee: 9, Asset: 1, Amount: chain.Units(at)}
	}
	return rows
}

// wantRows wants a finished history to have rows up to a number, each once.
func wantRows(t *testing.T, url string, rows uint64) {
	t.Helper()
	r, err := OpenReader(t.Context(), url, testIdentity)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	have, before := uint64(0), uint64(0)
	for {
		page, next, err := r.List(t.Context(), 0, 0, before, 1000)
		must(t, err)
		for i := range page {
			if want := rowsFrom(rows-have, 1)[0]; page[i] != want {
				t.Fatalf("the list has %+v, want %+v", page[i], want)
			}
			have++
		}
		if before = next; next == 0 {
			break
		}
	}
	count := uint64(0)
	c, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer c.Close(t.Context())
	must(t, c.QueryRow(t.Context(), `SELECT count(*) FROM aurigraph_imported.rows`).Scan(&count))
	if have != rows || count != rows {
		t.Errorf("it lists %d rows and has %d, want %d", have, count, rows)
	}
}

// TestFaults does something to a chunk at each of its steps, and wants the same call to end well.
func TestFaults(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	serialization := func(*DB) error { return &pgconn.PgError{Code: "40001"} }
	for name, do := range map[string]func(db *DB) error{
		"the server is killed": func(*DB) error { s.Kill(); s.Restart(); return nil },
		"serialization":        serialization,
		"the session is ended": func(db *DB) error {
			s.Exec(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aurigraph-imported'`)
			return nil
		},
		"no answer": func(*DB) error { return errors.New("the connection is lost") },
	} {
		for _, at := range []string{"begin", "extent", "copied", "commit"} {
			t.Run(name+" at "+at, func(t *testing.T) {
				url := s.Database(t)
				var db *DB
				done, retries := false, 0
				db, err := open(t.Context(), Config{URL: url, PartitionBits: smallBits, OnRetry: func(string, error) { retries++ }}, testIdentity, func(step string) error {
					if step != at || done || db.extent.Rows == 0 {
						return nil
					}
					done = true
					return do(db)
				})
				must(t, err)
				must(t, db.Rows(t.Context(), rowsFrom(1, 900)))
				must(t, db.Rows(t.Context(), rowsFrom(901, 2500)))
				must(t, db.Rows(t.Context(), rowsFrom(3401, 7)))
				must(t, db.Finish(t.Context()))
				must(t, db.Close())
				if !done || retries == 0 && at != "commit" {
					t.Errorf("nothing went wrong: %d retries", retries)
				}
				wantRows(t, url, 3407)
			})
		}
	}
}

// TestTwoLoad lets two load the same history: each row is there once.
func TestTwoLoad(t *testing.T) {
	url := pgserver.Start(t, pgserver.Options{}).Database(t)
	a, err := Open(t.Context(), Config{URL: url}, testIdentity)
	must(t, err)
	b, err := Open(t.Context(), Config{URL: url}, testIdentity)
	must(t, err)
	must(t, a.Rows(t.Context(), rowsFrom(1, 100)))
	must(t, b.Rows(t.Context(), rowsFrom(1, 150)))
	must(t, a.Rows(t.Context(), rowsFrom(101, 100)))
	must(t, a.Finish(t.Context()))
	must(t, a.Close())
	if err := b.Rows(t.Context(), rowsFrom(201, 1)); !fault.Is(err, fault.Conflict) {
		t.Errorf("a row behind the end that another has set: %v", err)
	}
	must(t, b.Close())
	wantRows(t, url, 200)
}

// TestAway says what to do about a database that cannot be reached, and goes on when it can.
func TestAway(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	db, err := Open(t.Context(), Config{URL: url}, testIdentity)
	must(t, err)
	must(t, db.Rows(t.Context(), rowsFrom(1, 10)))
	must(t, db.Finish(t.Context()))
	r, err := OpenReader(t.Context(), url, testIdentity)
	must(t, err)
	if _, err := r.ByID(t.Context(), 3, 0); err != nil {
		t.Error(err)
	}
	s.Kill()
	if _, err := OpenReader(t.Context(), url, testIdentity); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no server: %v", err)
	}
	if _, err := Open(t.Context(), Config{URL: url}, testIdentity); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no server: %v", err)
	}
	if _, err := r.ByID(t.Context(), 3, 0); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no server: %v", err)
	}
	s.Restart()
	if row, err := r.ByID(t.Context(), 3, 0); err != nil || row != rowsFrom(3, 1)[0] {
		t.Errorf("behind the restart: %+v, %v", row, err)
	}
	must(t, r.Close())
	must(t, db.Close())
	if _, err := Open(t.Context(), Config{URL: "postgres://u:secret@h/d"}, testIdentity); !fault.Is(err, fault.Invalid) {
		t.Errorf("a password in the URL: %v", err)
	}
}

// TestProbes wants what is asked to lie between low and high, each once.
func TestProbes(t *testing.T) {
	for _, span := range []int64{1, 2, 254, 255, 256, 257, 1 << 40} {
		list := probes(7, 7+span)
		if len(list) != int(min(span, narrowing)) || list[0] != 7 {
			t.Fatalf("span %d: %d probes", span, len(list))
		}
		for i, p := range list {
			if p >= 7+span || i > 0 && p <= list[i-1] {
				t.Fatalf("span %d: probe %d is %d", span, i, p)
			}
		}
	}
}

// BenchmarkRows says how many rows a second go in, bare.
func BenchmarkRows(b *testing.B) {
	db, err := Open(b.Context(), Config{URL: pgserver.Start(b, pgserver.Options{}).Database(b)}, testIdentity)
	must(b, err)
	defer db.Close()
	for n := 1; b.Loop(); n++ {
		must(b, db.Rows(b.Context(), rowsFrom(uint64(n-1)<<16+1, 1<<16)))
		b.ReportMetric(float64(n)*(1<<16)/b.Elapsed().Seconds(), "rows/s")
	}
}
