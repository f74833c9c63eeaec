// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/journal/journaltest"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// enginesOf opens journals in the databases of a server.
func enginesOf(s *pgserver.Server) journaltest.Engines {
	return journaltest.Engines{
		Place:  func(t testing.TB) string { return s.Database(t) },
		Open:   func(ctx context.Context, url string) (journal.Journal, error) { return Open(ctx, url) },
		Fill:   fill,
		Writer: writer,
		Damage: map[string]func(testing.TB, string){
			"an entry's text":       statement(`UPDATE aurigraph_migration.entries SET text = left(text, 20) WHERE seq = 2`),
			"an entry's number":     statement(`UPDATE aurigraph_migration.entries SET seq = 3 WHERE seq = 2`),
			"an entry is not there": statement(`DELETE FROM aurigraph_migration.entries WHERE seq = 1`),
			"a window":              statement(`UPDATE aurigraph_migration.windows SET text = 'window'`),
			"another table":         statement(`ALTER TABLE aurigraph_migration.entries RENAME COLUMN text TO words`),
			"no lease":              statement(`DELETE FROM aurigraph_migration.lease`),
		},
	}
}

// writes names the place and the process that is to write there, instead of running tests.
const writes = "JOURNAL_TEST_WRITES"

func TestMain(m *testing.M) {
	place, name, is := strings.Cut(os.Getenv(writes), "\n")
	if !is {
		m.Run()
		return
	}
	fmt.Println("failed:", journaltest.Writes(context.Background(), place, name, enginesOf(nil)))
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

// session is one beside the journal's.
func session(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func statement(query string, args ...any) func(testing.TB, string) {
	return func(t testing.TB, url string) {
		t.Helper()
		_, err := session(t, url).Exec(t.Context(), query, args...)
		must(t, err)
	}
}

func fill(t testing.TB, url string, n int) {
	statement(`INSERT INTO aurigraph_migration.windows (at_ms, text)
		SELECT at, json_build_object('at_ms', at, 'length_ms', 1000) FROM generate_series($1::bigint, $1::bigint + ($2::bigint - 1) * 1000, 1000) AS at`,
		journaltest.FilledFromMs, n)(t, url)
}

func TestSuite(t *testing.T) { journaltest.Run(t, enginesOf(pgserver.Start(t, pgserver.Options{}))) }

// TestServer says why a journal is not opened, and what becomes of one whose server goes away and comes again.
func TestServer(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	for _, c := range []struct {
		name string
		run  func(*testing.T, *pgserver.Server)
	}{
		{"opened at once", testOpenAtOnce}, {"refuses", testRefuses}, {"clocks", testClocks}, {"a lease is held until the commit", testHeld}, {"restarts", testRestart},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

// testOpenAtOnce has several make the same tables.
func testOpenAtOnce(t *testing.T, s *pgserver.Server) {
	url := s.Database(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			j, err := Open(t.Context(), url)
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

func testRefuses(t *testing.T, s *pgserver.Server) {
	url := s.Database(t)
	j, err := Open(t.Context(), url)
	must(t, err)
	must(t, j.Close())
	statement(`UPDATE aurigraph_migration.meta SET version = 2`)(t, url)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		url  string
		kind fault.Kind
		says string
	}{
		{"another version", t.Context(), url, fault.Conflict, "version 2"},
		{"a password in the URL", t.Context(), "postgres://u:secret@h/d", fault.Invalid, "passfile"},
		{"no URL", t.Context(), "mysql://u@h/d", fault.Invalid, "postgres://"},
		{"a bad pool", t.Context(), url + "&pool_max_conns=secret", fault.Invalid, "pool_"},
		{"no passfile", t.Context(), "postgres://u@127.0.0.1/d?passfile=/none", fault.Unavailable, "passfile"},
		{"no such database", t.Context(), s.URL("none"), fault.Unavailable, "journal"},
		{"the end of patience", ended, s.Database(t), fault.Timeout, "journal"},
	} {
		_, err := Open(c.ctx, c.url)
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want a %v that says %q and no secret", c.name, err, c.kind, c.says)
		}
	}
}

// testClocks has a controller whose clock is years behind: it agrees with the others about whose lease it is.
func testClocks(t *testing.T, s *pgserver.Server) {
	url := s.Database(t)
	here, err := Open(t.Context(), url)
	must(t, err)
	defer here.Close()
	term, err := here.Lease(t.Context(), "here", journal.LeaseMax)
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		if years := time.Now().Year(); years > 2001 {
			t.Fatalf("it is %d here: the test shows nothing", years)
		}
		behind, err := Open(t.Context(), url)
		must(t, err)
		defer behind.Close()
		if _, err := behind.Lease(t.Context(), "behind", journal.LeaseMax); fault.ReasonOf(err) != journal.ReasonLease {
			t.Errorf("a lease that another has: %v", err)
		}
		must(t, here.Release(t.Context(), term))
		if term, err = behind.Lease(t.Context(), "behind", journal.LeaseMax); err != nil {
			t.Fatal(err)
		}
		if e, err := behind.Append(t.Context(), 0, term, migration.Entry{AtMs: 1}); err != nil || e.Seq != 1 {
			t.Errorf("its holder cannot write: %v", err)
		}
	})
	if _, err := here.Lease(t.Context(), "here", journal.LeaseMax); fault.ReasonOf(err) != journal.ReasonLease {
		t.Errorf("the lease of who is behind: %v", err)
	}
}

// testHeld has a writer stop between the look at its lease and the commit: the lease does not change hands before, although its time is over.
func testHeld(t *testing.T, s *pgserver.Server) {
	url := s.Database(t)
	a, err := Open(t.Context(), url)
	must(t, err)
	defer a.Close()
	b, err := Open(t.Context(), url)
	must(t, err)
	defer b.Close()
	term, err := a.Lease(t.Context(), "a", 500*time.Millisecond)
	must(t, err)
	beside := session(t, url)
	var taken chan error
	must(t, a.write(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		if err := mayWrite(ctx, tx, term); err != nil {
			return err
		}
		taken = make(chan error, 1)
		go func() {
			next, err := b.Lease(t.Context(), "b", journal.LeaseMax)
			if err == nil && next != term+1 {
				err = fault.New(fault.Internal, "behind term %d comes %d", term, next)
			}
			taken <- err
		}()
		waitFor(t, beside, `SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%' AND datname = current_database()`)
		waitFor(t, beside, `SELECT until_ms < extract(epoch FROM clock_timestamp()) * 1000 FROM aurigraph_migration.lease`)
		select {
		case err := <-taken:
			t.Errorf("the lease changed hands under a writer: %v", err)
			taken <- err
		default:
		}
		_, err := tx.Exec(ctx, insertEntry, int64(1), `{"seq":1}`)
		return err
	}))
	must(t, <-taken)
	if _, err := a.Append(t.Context(), 1, term, migration.Entry{}); fault.ReasonOf(err) != journal.ReasonLease {
		t.Errorf("the dead term's next entry: %v", err)
	}
}

// waitFor asks again and again, for a while.
func waitFor(t *testing.T, c *pgx.Conn, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callMax)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for is := false; !is; <-tick.C {
		if err := c.QueryRow(ctx, query).Scan(&is); err != nil {
			t.Error(err)
			return
		}
	}
}

// testRestart kills the server: calls say so, and go on with the same journal when it is back.
func testRestart(t *testing.T, s *pgserver.Server) {
	url := s.Database(t)
	j, err := Open(t.Context(), url)
	must(t, err)
	defer j.Close()
	var all sync.WaitGroup
	for range connectionsMax { // so that all connections are those of before
		all.Go(func() {
			if _, err := j.Read(t.Context(), 0); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	term, err := j.Lease(t.Context(), "a", journal.LeaseMax)
	must(t, err)
	s.Kill()
	if _, err := Open(t.Context(), url); !fault.Is(err, fault.Unavailable) {
		t.Errorf("open without a server: %v", err)
	}
	if _, err := j.Append(t.Context(), 0, term, migration.Entry{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("append without a server: %v", err)
	}
	if _, err := j.Read(t.Context(), 0); !fault.Is(err, fault.Unavailable) {
		t.Errorf("read without a server: %v", err)
	}
	s.Restart()
	if e, err := j.Append(t.Context(), 0, term, migration.Entry{Why: "after"}); err != nil || e.Seq != 1 {
		t.Errorf("append behind the restart: %+v, %v", e, err)
	}
	s.Kill()
	s.Restart()
	if all, err := j.Read(t.Context(), 0); err != nil || len(all) != 1 || all[0].Why != "after" {
		t.Errorf("read behind another restart: %+v, %v", all, err)
	}
}
