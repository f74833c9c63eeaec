// SPDX-License-Identifier: Apache-2.0

package indexer

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

var copied = imported.Identity{Chain: 9, Genesis: chain.Hash{9}, Sequence: 5}

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newPast(url, dir string, log *bytes.Buffer) (*Past, *clock) {
	c := &clock{at: time.Unix(1, 0)}
	p := NewPast(config.Index{URL: url}, dir, copied.Chain, copied.Genesis, slog.New(slog.NewTextHandler(log, nil)))
	p.now = c.now
	return p, c
}

// TestPastAppears reads a history that is imported while the process runs, of either engine.
func TestPastAppears(t *testing.T) {
	t.Run("file", func(t *testing.T) { testPastAppears(t, config.IndexSQLite) })
	t.Run("database", func(t *testing.T) { testPastAppears(t, pgserver.Start(t, pgserver.Options{}).Database(t)) })
}

func testPastAppears(t *testing.T, url string) {
	dir := filepath.Join(t.TempDir(), config.ImportedFolder)
	p, clock := newPast(url, dir, &bytes.Buffer{})
	missing := func(when string) {
		t.Helper()
		if _, err := p.ByID(t.Context(), 4, 0); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", when, err)
		}
		if _, _, err := p.List(t.Context(), 0, 0, 0, 10); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", when, err)
		}
		if _, err := p.Round(t.Context(), 4); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", when, err)
		}
	}
	missing("before the copy")
	told := imported.Progress{}
	w, err := OpenImported(t.Context(), url, dir, copied, func(p imported.Progress) { told = p })
	must(t, err)
	must(t, w.Rows(t.Context(), []imported.Row{{Seq: 1, Round: 4}, {Seq: 2, Round: 5}}))
	must(t, w.Rounds(t.Context(), []imported.Round{{Number: 4}}))
	clock.move(time.Minute)
	missing("while it is loaded")
	must(t, w.Finish(t.Context()))
	must(t, w.Close())
	if told != (imported.Progress{Done: 2, Total: 2}) {
		t.Errorf("it told of %+v", told)
	}
	missing("a moment later")
	clock.move(p.every)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if r, err := p.ByID(t.Context(), 4, 0); err != nil || r.Seq != 1 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	group.Wait()
	if rows, next, err := p.List(t.Context(), 0, 0, 0, 10); err != nil || len(rows) != 2 || next != 0 {
		t.Errorf("%+v, %d, %v", rows, next, err)
	}
	if r, err := p.Round(t.Context(), 4); err != nil || r.Number != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	must(t, p.Close())
}

// TestPastOfAnother is not served, is said once in the log, and is looked at again only after a while.
func TestPastOfAnother(t *testing.T) {
	dir := t.TempDir()
	other := copied
	other.Chain++
	w, err := OpenImported(t.Context(), config.IndexSQLite, dir, other, nil)
	must(t, err)
	must(t, w.Finish(t.Context()))
	must(t, w.Close())
	log := &bytes.Buffer{}
	p, clock := newPast(config.IndexSQLite, dir, log)
	for range 3 {
		if _, err := p.ByID(t.Context(), 1, 0); !fault.Is(err, fault.Conflict) {
			t.Errorf("of another network: %v", err)
		}
		clock.move(p.every)
	}
	if n := strings.Count(log.String(), "cannot be read"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, log)
	}
	must(t, os.RemoveAll(dir))
	clock.move(p.every)
	if _, err := p.ByID(t.Context(), 1, 0); !fault.Is(err, fault.NotFound) {
		t.Errorf("it is gone: %v", err)
	}
	must(t, p.Close())
}

// TestPastDatabaseAway says that the database is away, not that nothing was copied.
func TestPastDatabaseAway(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	s.Stop()
	p, clock := newPast(url, "", &bytes.Buffer{})
	if _, err := p.ByID(t.Context(), 1, 0); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the database is away: %v", err)
	}
	s.Restart()
	clock.move(p.every)
	if _, err := p.ByID(t.Context(), 1, 0); !fault.Is(err, fault.NotFound) {
		t.Errorf("nothing was copied: %v", err)
	}
	must(t, p.Close())
}
