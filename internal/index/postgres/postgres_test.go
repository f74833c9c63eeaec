// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/index/indextest"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testChain chain.ChainID = 3
	smallBits               = partitionBitsMin // partitions so small that every test crosses their borders
	suiteBits               = 13               // so small that the suite crosses chunks, and so large that an answer looks through all of them
)

var testGenesis = chain.Hash{3}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// block makes a group that is one block of transfers between accounts 1 to 3, at a position.
func block(at index.Position, rows int) *index.Group {
	g := &index.Group{From: at, Next: index.Position{Height: at.Height + 1}, Blocks: []index.Block{{Height: at.Height, Items: uint64(rows), TimeUs: 9}}}
	for i := range rows {
		g.Rows = append(g.Rows, history.Transfer{
			Height: at.Height, Item: uint32(i), From: chain.AccountNo(1 + i%3), To: chain.AccountNo(1 + (i+1)%3), Asset: chain.AssetNo(1 + i%2),
			Amount: chain.Units(uint64(i)), Kind: history.KindTransfer, TimeUs: 9,
		})
	}
	return g
}

// testContext ends with the test, and after what the test's cleanups do.
func testContext(t testing.TB) context.Context { return context.WithoutCancel(t.Context()) }

func mustOpen(t testing.TB, url string) *DB {
	t.Helper()
	db, err := Open(testContext(t), Config{URL: url, PartitionBits: smallBits}, testChain, testGenesis)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func listAll(t testing.TB, db *DB, account chain.AccountNo, limit int) (at chain.Height, all []history.Transfer) {
	t.Helper()
	for before := uint64(0); ; {
		h, rows, next, err := db.Transfers(t.Context(), account, 0, before, limit)
		must(t, err)
		at, all = h, append(all, rows...)
		if before = next; next == 0 {
			return at, all
		}
	}
}

// folders gives each folder of the suite a database, since it knows indexes by their folder.
type folders struct {
	server *pgserver.Server
	mu     sync.Mutex
	urls   map[string]string
}

func (f *folders) url(t testing.TB, dir string) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.urls[dir] == "" {
		f.urls[dir] = f.server.Database(t)
	}
	return f.urls[dir]
}

// TestConformance is the suite that SQLite passes too.
func TestConformance(t *testing.T) {
	f := &folders{server: pgserver.Start(t, pgserver.Options{}), urls: map[string]string{}}
	indextest.Run(t, indextest.Engines{
		Open: func(dir string, id chain.ChainID, genesis chain.Hash) (indextest.Engine, error) {
			db, err := Open(testContext(t), Config{URL: f.url(t, dir), PartitionBits: suiteBits}, id, genesis)
			if err != nil {
				return nil, err
			}
			return db, nil
		},
		Crash: f.crashed,
	})
}

// crashed copies a database in use with a snapshot of its own, table by table: what a killed writer leaves, since its transaction is not
// in it.
func (f *folders) crashed(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	must(t, copyDatabase(testContext(t), f.url(t, dir), f.url(t, to)))
	return to
}

func copyDatabase(ctx context.Context, from, to string) (err error) {
	source, err := pgx.Connect(ctx, from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close(ctx)) }()
	target, err := Open(ctx, Config{URL: to, PartitionBits: suiteBits}, 77, chain.Hash{7, 31: 7})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	tx, err := source.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tx.Rollback(ctx)) }()
	m, err := readMeta(tx.QueryRow(ctx, `SELECT `+metaColumns+` FROM aurigraph.meta`))
	if err != nil {
		return err
	}
	if err := target.makeAhead(ctx, m.seq); err != nil {
		return err
	}
	if _, err := target.conn.Exec(ctx, `DELETE FROM aurigraph.meta; DELETE FROM aurigraph.partitions`); err != nil {
		return err
	}
	for _, table := range []string{"meta", "partitions", "blocks", "gaps", "transfers"} {
		if err := copyTable(ctx, source, target.conn, table); err != nil {
			return err
		}
	}
	return nil
}

func copyTable(ctx context.Context, from, to *pgx.Conn, table string) error {
	f, err := os.CreateTemp("", "table")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := from.PgConn().CopyTo(ctx, f, fmt.Sprintf(`COPY (SELECT * FROM aurigraph.%s) TO STDOUT`, table)); err != nil {
		return err
	}
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	_, err = to.PgConn().CopyFrom(ctx, f, fmt.Sprintf(`COPY aurigraph.%s FROM STDIN`, table))
	return err
}

func databaseOf(t testing.TB, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	must(t, err)
	return u.Path[1:]
}
