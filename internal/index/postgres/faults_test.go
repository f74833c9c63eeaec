// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// stepsOfGroup are the places between which a group is written, "copy" in the middle of its transfers.
var stepsOfGroup = []string{"begin", "position", "blocks", "copy", "transfers", "commit"}

// breaker does something once, the nth time that the writer is at a step.
type breaker struct {
	at string
	n  int
	do func() error
}

func (b *breaker) step(name string) error {
	if name != b.at || b.do == nil {
		return nil
	}
	if b.n--; b.n > 0 {
		return nil
	}
	do := b.do
	b.do = nil
	return do()
}

func openBroken(t testing.TB, url string, b *breaker) *DB {
	t.Helper()
	db, err := open(testContext(t), Config{URL: url, PartitionBits: smallBits}, testChain, testGenesis, hooks{step: b.step})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

// reopen opens an index whose writer has just died: the server lets his lock go when it notices.
func reopen(t testing.TB, url string) *DB {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		db, err := Open(testContext(t), Config{URL: url, PartitionBits: smallBits}, testChain, testGenesis)
		if err == nil {
			t.Cleanup(func() { must(t, db.Close()) })
			return db
		}
		if !fault.Is(err, fault.Unavailable) || time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

const rowsOfBig = 2500 // several reads of a COPY, and several partitions

// wantExactly wants the index to have the transfers of whole blocks, each once, in order.
func wantExactly(t testing.TB, db *DB, groups ...*index.Group) {
	t.Helper()
	var want []history.Transfer
	for _, g := range groups {
		want = append(want, g.Rows...)
	}
	slices.Reverse(want)
	at, have := listAll(t, db, 0, 1000)
	if next := groups[len(groups)-1].Next; db.Position() != next || at != next.Complete() || !slices.Equal(have, want) {
		t.Errorf("it stands at %v (want %v), lists %d transfers at %d, want %d", db.Position(), next, len(have), at, len(want))
	}
	rows := 0
	must(t, db.conn.QueryRow(testContext(t), `SELECT count(*) FROM aurigraph.transfers`).Scan(&rows))
	if rows != len(want) {
		t.Errorf("the table has %d transfers, want %d", rows, len(want))
	}
}

// TestServerKilled kills the server with -9 at every step of a group, starts it again, and wants the same Apply to end well.
func TestServerKilled(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	for _, at := range stepsOfGroup {
		t.Run(at, func(t *testing.T) {
			b := &breaker{at: at, n: 1}
			if at == "copy" {
				b.n = 8
			}
			db := openBroken(t, s.Database(t), b)
			first := block(index.Start(), 300)
			must(t, db.Apply(first))
			killed := false
			b.do = func() error {
				s.Kill()
				s.Restart()
				killed = true
				return nil
			}
			second := block(db.Position(), rowsOfBig)
			must(t, db.Apply(second))
			third := block(db.Position(), 7)
			must(t, db.Apply(third))
			if !killed {
				t.Fatal("nothing was killed")
			}
			wantExactly(t, db, first, second, third)
		})
	}
}

var errDead = errors.New("the writer is dead")

// TestWriterKilled ends the writer's process, as far as the server can tell, at every step of a group: the next writer finds the group
// as a whole, or nothing of it.
func TestWriterKilled(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	for _, at := range stepsOfGroup {
		t.Run(at, func(t *testing.T) {
			b := &breaker{at: at, n: 1}
			url := s.Database(t)
			db := openBroken(t, url, b)
			first := block(index.Start(), 300)
			must(t, db.Apply(first))
			ctx, die := context.WithCancel(t.Context())
			db.ctx = ctx
			b.do = func() error {
				die()
				return errors.Join(errDead, db.conn.PgConn().Conn().Close())
			}
			second := block(db.Position(), rowsOfBig)
			if err := db.Apply(second); err == nil {
				t.Fatal("a dead writer wrote")
			}
			after := reopen(t, url)
			want := []*index.Group{first}
			if at == "commit" {
				want = append(want, second)
			}
			wantExactly(t, after, want...)
			for _, rows := range []int{rowsOfBig, 5} {
				g := block(after.Position(), rows)
				must(t, after.Apply(g))
				want = append(want, g)
			}
			wantExactly(t, after, want...)
		})
	}
}

// TestLostAnswer loses the connection right behind a commit: the group is there, and is not written again.
func TestLostAnswer(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	b := &breaker{at: "commit", n: 1}
	db := openBroken(t, s.Database(t), b)
	b.do = func() error { return errors.Join(errors.New("connection reset"), db.conn.PgConn().Conn().Close()) }
	first := block(index.Start(), rowsOfBig)
	must(t, db.Apply(first))
	second := block(db.Position(), 3)
	must(t, db.Apply(second))
	wantExactly(t, db, first, second)
}

// TestSerialization lets another transaction change the row of the position first, where the server's isolation refuses that.
func TestSerialization(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	for _, isolation := range []string{"repeatable read", "serializable"} {
		t.Run(isolation, func(t *testing.T) {
			url := s.Database(t)
			s.Exec(t, "postgres", "ALTER DATABASE "+databaseOf(t, url)+" SET default_transaction_isolation = '"+isolation+"'")
			b := &breaker{at: "begin", n: 1}
			db := openBroken(t, url, b)
			var reasons []string
			db.config.OnRetry = func(reason string, _ error) { reasons = append(reasons, reason) }
			b.do = func() error {
				if _, err := db.conn.Exec(testContext(t), `SELECT count(*) FROM aurigraph.blocks`); err != nil { // the snapshot is taken
					return err
				}
				s.Exec(t, databaseOf(t, url), "UPDATE aurigraph.meta SET writer = writer")
				return nil
			}
			g := block(index.Start(), 20)
			must(t, db.Apply(g))
			if !slices.Equal(reasons, []string{reasonConflict}) {
				t.Errorf("it was tried again for %q", reasons)
			}
			wantExactly(t, db, g)
		})
	}
}

// TestGone stops the server for longer than a group is tried: the group is refused for now, and goes in when the server is back.
func TestGone(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	db := mustOpen(t, url)
	first, second := block(index.Start(), 10), block(index.Position{Height: 2}, 10)
	must(t, db.Apply(first))
	s.Stop()
	var pauses []time.Duration
	db.wait = func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }
	if err := db.Apply(second); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), pgserver.Password) {
		t.Errorf("a database that is gone: %v", err)
	}
	if len(pauses) != AttemptsMax-1 || slices.Max(pauses) > pauseMax || pauses[0] > pauseMin {
		t.Errorf("it paused %v", pauses)
	}
	if _, _, _, err := db.Transfers(t.Context(), 0, 0, 0, 10); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a list from a database that is gone: %v", err)
	}
	if _, err := db.Newest(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the newest block of a database that is gone: %v", err)
	}
	if _, err := Open(t.Context(), Config{URL: url}, testChain, testGenesis); !fault.Is(err, fault.Unavailable) {
		t.Errorf("opening a database that is gone: %v", err)
	}
	s.Restart()
	must(t, db.Apply(second))
	wantExactly(t, db, first, second)
}

// TestSecondWriter opens an index that is in use, which is refused until the first writer ends.
func TestSecondWriter(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	first := mustOpen(t, url)
	g := block(index.Start(), 5)
	must(t, first.Apply(g))
	db, err := Open(t.Context(), Config{URL: url}, testChain, testGenesis)
	if !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != ReasonTaken || db != nil {
		t.Fatalf("a second writer: %v", err)
	}
	must(t, first.Close())
	second := mustOpen(t, url)
	wantExactly(t, second, g)
}

// TestFenced takes the index over from a writer that does not know that it has lost its lock.
func TestFenced(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	old := mustOpen(t, url)
	first := block(index.Start(), 5)
	must(t, old.Apply(first))
	_, err := old.conn.Exec(t.Context(), `SELECT pg_advisory_unlock_all()`)
	must(t, err)
	young := mustOpen(t, url)
	second := block(old.Position(), 400)
	if err := old.Apply(second); !fault.Is(err, fault.Conflict) || fault.ReasonOf(err) != ReasonMoved {
		t.Errorf("the old writer: %v", err)
	}
	must(t, young.Apply(second))
	if err := old.Apply(second); !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != ReasonTaken {
		t.Errorf("the old writer, once it looks again: %v", err)
	}
	third := block(young.Position(), 4)
	must(t, young.Apply(third))
	wantExactly(t, young, first, second, third)
	must(t, young.Close())
	if err := old.Apply(second); !fault.Is(err, fault.Conflict) || fault.ReasonOf(err) != ReasonMoved {
		t.Errorf("the old writer, behind the young one: %v", err)
	}
	fourth := block(old.Position(), 3)
	must(t, old.Apply(fourth))
	wantExactly(t, old, first, second, third, fourth)
}

// TestSessionEnded ends the writer's session on the server, as an operator or a failover does.
func TestSessionEnded(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	db := mustOpen(t, url)
	groups := []*index.Group{block(index.Start(), 5), block(index.Position{Height: 2}, 6)}
	must(t, db.Apply(groups[0]))
	c, err := pgx.Connect(testContext(t), url)
	must(t, err)
	defer c.Close(testContext(t))
	_, err = c.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	must(t, err)
	must(t, db.Apply(groups[1]))
	wantExactly(t, db, groups...)
}
