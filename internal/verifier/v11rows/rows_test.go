// SPDX-License-Identifier: Apache-2.0

package v11rows

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/imported"
	importedpostgres "github.com/aurigraph/aurigraph/internal/imported/postgres"
	importedsqlite "github.com/aurigraph/aurigraph/internal/imported/sqlite"
	"github.com/aurigraph/aurigraph/internal/index"
	indexpostgres "github.com/aurigraph/aurigraph/internal/index/postgres"
	indexsqlite "github.com/aurigraph/aurigraph/internal/index/sqlite"
	"github.com/aurigraph/aurigraph/internal/pgdb"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
	"github.com/aurigraph/aurigraph/internal/verifier"
	"github.com/aurigraph/aurigraph/internal/verifier/tablefile"
)

const (
	chainID = chain.ChainID(77)
	blocksN = 40
	importN = 900
)

var genesis = chain.Hash{9}

// sample is rows as those who write the tables are given them.
type sample struct {
	group  index.Group
	rows   []imported.Row
	rounds []imported.Round
}

var kinds = []string{history.KindTransfer, history.KindHold, history.KindPost, history.KindVoid, history.KindIssue, history.KindRedeem, history.KindUnknown}

func newSample() *sample {
	r := rand.New(rand.NewPCG(1, 2))
	s := &sample{group: index.Group{From: index.Start(), Next: index.Position{Height: blocksN + 1}}}
	amount := func() chain.Amount {
		return chain.Amount{Lo: r.Uint64() >> r.IntN(64), Hi: []uint64{0, 0, r.Uint64(), math.MaxUint64}[r.IntN(4)]}
	}
	for h := uint64(1); h <= blocksN; h++ {
		n := uint32(r.IntN(9))
		for i := range n {
			t := history.Transfer{
				ID: [32]byte{byte(h), byte(i)}, Height: chain.Height(h), Index: 1, Item: i, From: chain.AccountNo(r.Uint32()), To: chain.AccountNo(r.IntN(5)), Asset: chain.AssetNo(1 + r.IntN(3)),
				Amount: amount(), Kind: kinds[r.IntN(len(kinds))], Outcome: chain.Outcome(r.IntN(20)), TimeUs: h * 1_000_000,
			}
			if i%2 == 0 {
				t.Reference = [32]byte{byte(r.Uint32()), 1}
				t.Origin = history.Origin{Ms: 1_700_000_000_000 + h, Round: h, Place: i}
			}
			s.group.Rows = append(s.group.Rows, t)
		}
		s.group.Blocks = append(s.group.Blocks, index.Block{Height: chain.Height(h), Hash: chain.Hash{byte(h), 7}, TimeUs: h * 1_000_000, Items: uint64(n)})
	}
	for i := uint64(0); i < importN; i++ {
		kind := []imported.Kind{imported.Transfer, imported.Issue, imported.Redeem, imported.OpenAccount, imported.CreateAsset}[r.IntN(5)]
		s.rows = append(s.rows, imported.Row{
			Seq: i + 1, Ms: 1_600_000_000_000 + i, Round: i / 3, Place: uint32(i % 3), Kind: kind, Payer: chain.AccountNo(r.Uint32()), Payee: chain.AccountNo(r.IntN(9)),
			Asset: chain.AssetNo(r.IntN(4)), Amount: amount(), Outcome: chain.Outcome(r.IntN(9)),
		})
	}
	for n := uint64(0); n < importN/3; n++ {
		s.rounds = append(s.rounds, imported.Round{Number: n, Ms: 5 * n, Leader: "v-1", Votes: []string{"a", "b"}, Hash: [32]byte{byte(n)}, Previous: [32]byte{byte(n), 1}, Transactions: 3})
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write has the writers write the sample.
func (s *sample) write(t *testing.T, w index.Writer, h imported.Writer) {
	t.Helper()
	must(t, w.Apply(&s.group))
	must(t, h.Rows(t.Context(), s.rows))
	must(t, h.Rounds(t.Context(), s.rounds))
	must(t, h.Finish(t.Context()))
	must(t, h.Close())
}

// check reads all tables in small pieces, and wants what was written.
func (s *sample) check(t *testing.T, r verifier.Rows, listed bool) {
	t.Helper()
	m, err := r.Meta(t.Context())
	must(t, err)
	want := verifier.RowsMeta{
		Height: blocksN, Seq: uint64(len(s.group.Rows)) + 1, First: 1, HasListed: listed, Copied: true, Finished: true, Sequence: 33,
		CopiedRows: importN, Rounds: importN / 3, LastRound: importN/3 - 1,
	}
	if m != want {
		t.Errorf("meta %+v, not %+v", m, want)
	}
	transfers := all(t, func(last *verifier.TransferRow, into []verifier.TransferRow) (int, error) {
		return r.Transfers(t.Context(), seqOf(last, func(r *verifier.TransferRow) uint64 { return r.Seq }), into)
	})
	for i, got := range transfers {
		if want := transferOf(uint64(i+1), &s.group.Rows[i]); got != want {
			t.Fatalf("%+v, not %+v", got, want)
		}
	}
	blocks := all(t, func(last *verifier.BlockRow, into []verifier.BlockRow) (int, error) {
		return r.Blocks(t.Context(), seqOf(last, func(r *verifier.BlockRow) uint64 { return r.Height }), into)
	})
	for i, got := range blocks {
		b := s.group.Blocks[i]
		if want := (verifier.BlockRow{Height: uint64(b.Height), TimeUs: b.TimeUs, Items: b.Items, Hash: b.Hash}); got != want {
			t.Fatalf("%+v, not %+v", got, want)
		}
	}
	if len(transfers) != len(s.group.Rows) || len(blocks) != blocksN {
		t.Errorf("%d transfers and %d blocks", len(transfers), len(blocks))
	}
	s.checkImported(t, r)
}

func (s *sample) checkImported(t *testing.T, r verifier.Rows) {
	t.Helper()
	rows := all(t, func(last *verifier.ImportedRow, into []verifier.ImportedRow) (int, error) {
		return r.Imported(t.Context(), seqOf(last, func(r *verifier.ImportedRow) uint64 { return r.Seq }), into)
	})
	for i, got := range rows {
		w := s.rows[i]
		want := verifier.ImportedRow{
			Seq: w.Seq, Ms: w.Ms, Round: w.Round, Place: w.Place, Payer: uint32(w.Payer), Payee: uint32(w.Payee), Asset: uint32(w.Asset), Kind: uint8(w.Kind),
			Outcome: uint8(w.Outcome), Amount: w.Amount,
		}
		if got != want {
			t.Fatalf("%+v, not %+v", got, want)
		}
	}
	rounds := all(t, func(last *verifier.RoundRow, into []verifier.RoundRow) (int, error) {
		return r.ImportedRounds(t.Context(), seqOf(last, func(r *verifier.RoundRow) uint64 { return r.Number + 1 }), into)
	})
	for i, got := range rounds {
		if want := verifier.RoundRow(roundOf(&s.rounds[i])); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, not %+v", got, want)
		}
	}
	if len(rows) != importN || len(rounds) != importN/3 {
		t.Errorf("%d rows and %d rounds", len(rows), len(rounds))
	}
}

func roundOf(r *imported.Round) verifier.RoundRow {
	return verifier.RoundRow{Number: r.Number, Ms: r.Ms, Leader: r.Leader, Votes: r.Votes, Hash: r.Hash, Previous: r.Previous, Transactions: r.Transactions}
}

func transferOf(seq uint64, t *history.Transfer) verifier.TransferRow {
	r := verifier.TransferRow{
		Seq: seq, Height: uint64(t.Height), TimeUs: t.TimeUs, Batch: t.Index, Item: t.Item, Payer: uint32(t.From), Payee: uint32(t.To), Asset: uint32(t.Asset),
		Outcome: uint8(t.Outcome), Amount: t.Amount, Reference: t.Reference, FromV10: t.Origin != history.Origin{}, Ms: t.Origin.Ms, Round: t.Origin.Round, Place: t.Origin.Place,
	}
	for i, k := range kinds {
		if k == t.Kind {
			r.Kind = uint8(i)
		}
	}
	return r
}

// seqOf is what the next piece begins behind.
func seqOf[T any](last *T, of func(*T) uint64) uint64 {
	if last == nil {
		return 0
	}
	return of(last)
}

// all reads a table in pieces of seven.
func all[T any](t *testing.T, read func(last *T, into []T) (int, error)) (rows []T) {
	t.Helper()
	var last *T
	for {
		into := make([]T, 7)
		n, err := read(last, into)
		must(t, err)
		if n == 0 {
			return rows
		}
		rows = append(rows, into[:n]...)
		last = &rows[len(rows)-1]
	}
}

func id() imported.Identity {
	return imported.Identity{Chain: chainID, Genesis: genesis, Sequence: 33}
}

// What the writers wrote is read, beside them and after them; by account every party is there.
func TestSQLite(t *testing.T) {
	s, dir, past := newSample(), t.TempDir(), t.TempDir()
	w, err := indexsqlite.Open(dir, chainID, genesis)
	must(t, err)
	h, err := importedsqlite.Open(t.Context(), importedsqlite.Config{Dir: past}, id())
	must(t, err)
	s.write(t, w, h)
	r, err := OpenSQLite(dir, past)
	must(t, err)
	s.check(t, r, true)
	must(t, r.Close())
	must(t, w.Close())
	r, err = OpenSQLite(dir, past)
	must(t, err)
	s.check(t, r, true)
	listed := all(t, func(last *verifier.ListedRow, into []verifier.ListedRow) (int, error) {
		if last == nil {
			last = &verifier.ListedRow{}
		}
		return r.Listed(t.Context(), *last, into)
	})
	parties := 0
	for _, row := range s.group.Rows {
		for i, a := range []chain.AccountNo{row.From, row.To} {
			if a != 0 && (i == 0 || a != row.From) {
				parties++
			}
		}
	}
	if len(listed) != parties {
		t.Errorf("%d rows by account, not %d", len(listed), parties)
	}
	must(t, r.Close())
	if _, err := OpenSQLite(t.TempDir(), past); !fault.Is(err, fault.NotFound) {
		t.Errorf("an index that is not there: %v", err)
	}
}

// A value of another type or out of range is damage of its row alone.
func TestDamagedSQLite(t *testing.T) {
	s, dir, past := newSample(), t.TempDir(), t.TempDir()
	w, err := indexsqlite.Open(dir, chainID, genesis)
	must(t, err)
	h, err := importedsqlite.Open(t.Context(), importedsqlite.Config{Dir: past}, id())
	must(t, err)
	s.write(t, w, h)
	must(t, w.Close())
	for _, damage := range []struct{ file, sql string }{
		{dir + "/index.db", `UPDATE transfers SET payer = 1 << 40 WHERE seq = 3`},
		{dir + "/index.db", `UPDATE transfers SET amount_lo = 'many' WHERE seq = 4`},
		{dir + "/index.db", `UPDATE transfers SET reference = x'00' WHERE seq = 5`},
		{past + "/imported.db", `UPDATE rows SET ms = -1 WHERE seq = 3`},
		{past + "/imported.db", `UPDATE rows SET kind = 1000 WHERE seq = 4`},
		{past + "/imported.db", `UPDATE rounds SET votes = '[' WHERE number = 5`},
	} {
		c, err := sqlite.OpenConn(damage.file, sqlite.OpenReadWrite)
		must(t, err)
		must(t, errors.Join(sqlitex.ExecuteTransient(c, damage.sql, nil), c.Close()))
	}
	r, err := OpenSQLite(dir, past)
	must(t, err)
	defer r.Close()
	transfers, rows, rounds := make([]verifier.TransferRow, 6), make([]verifier.ImportedRow, 6), make([]verifier.RoundRow, 7)
	_, err = r.Transfers(t.Context(), 0, transfers)
	must(t, err)
	_, err = r.Imported(t.Context(), 0, rows)
	must(t, err)
	_, err = r.ImportedRounds(t.Context(), 0, rounds)
	must(t, err)
	for i, want := range []bool{false, false, true, true, true, false} {
		if got := transfers[i].Damaged != ""; got != want {
			t.Errorf("transfer %d: %q", i+1, transfers[i].Damaged)
		}
		if got := rows[i].Damaged != ""; got != (want && i < 4) {
			t.Errorf("row %d: %q", i+1, rows[i].Damaged)
		}
	}
	if rounds[5].Damaged == "" || rounds[4].Damaged != "" {
		t.Errorf("rounds %q, %q", rounds[4].Damaged, rounds[5].Damaged)
	}
}

// Whatever lies in the columns of the copied history, its file says the same as the engine, and says it wherever a row is in one page.
func TestImportedPages(t *testing.T) {
	s, dir, past := newSample(), t.TempDir(), t.TempDir()
	w, err := indexsqlite.Open(dir, chainID, genesis)
	must(t, err)
	h, err := importedsqlite.Open(t.Context(), importedsqlite.Config{Dir: past}, id())
	must(t, err)
	s.write(t, w, h)
	must(t, w.Close())
	c, err := sqlite.OpenConn(past+"/imported.db", sqlite.OpenReadWrite)
	must(t, err)
	random := rand.New(rand.NewPCG(5, 6))
	values := []any{int64(0), int64(1), int64(-1), int64(1 << 40), int64(math.MinInt64), "5", "many", 2.5, 1e300, []byte{1}, []byte{}, strings.Repeat("x", 3000)}
	columns := strings.Split(importedColumns, ", ")[1:]
	for range 400 {
		sql := "UPDATE rows SET " + columns[random.IntN(len(columns))] + " = ?1 WHERE seq = ?2"
		must(t, sqlitex.Execute(c, sql, &sqlitex.ExecOptions{Args: []any{values[random.IntN(len(values))], 1 + random.IntN(importN)}}))
	}
	for _, sql := range []string{
		"DELETE FROM rows WHERE seq BETWEEN 100 AND 250 OR seq % 17 = 3", "UPDATE rows SET seq = -seq WHERE seq = 5", "UPDATE rows SET seq = seq + (1 << 40) WHERE seq > 880",
		"UPDATE rows SET ms = '" + strings.Repeat("y", 9000) + "' WHERE seq BETWEEN 500 AND 510",
	} {
		must(t, sqlitex.ExecuteTransient(c, sql, nil))
	}
	must(t, c.Close())
	r, err := OpenSQLite(dir, past)
	must(t, err)
	defer r.Close()
	plain, after := 0, uint64(0)
	for {
		engine, pages := make([]verifier.ImportedRow, 7), make([]verifier.ImportedRow, 7)
		n, err := r.importedEngine(t.Context(), after, engine)
		must(t, err)
		m, err := r.importedPages(t.Context(), after, pages)
		if err == nil && (m != n || !reflect.DeepEqual(engine[:n], pages[:m])) {
			t.Fatalf("above %d the engine reads %+v, not %+v", after, engine[:n], pages[:m])
		}
		if !errors.Is(err, tablefile.ErrNotPlain) {
			must(t, err)
			plain++
		}
		if n, err = r.Imported(t.Context(), after, pages); err != nil || !reflect.DeepEqual(engine[:n], pages[:n]) {
			t.Fatalf("above %d: %v, %+v, not %+v", after, err, pages[:n], engine[:n])
		}
		if n == 0 {
			break
		}
		after = engine[n-1].Seq
	}
	if all := importN / 7; plain < all/3 || plain > all {
		t.Errorf("%d of about %d pieces were plain", plain, all)
	}
}

// The same of a database.
func TestPostgres(t *testing.T) {
	server := pgserver.Start(t, pgserver.Options{})
	url := server.Database(t)
	s := newSample()
	w, err := indexpostgres.Open(t.Context(), indexpostgres.Config{URL: url}, chainID, genesis)
	must(t, err)
	h, err := importedpostgres.Open(t.Context(), importedpostgres.Config{URL: url}, id())
	must(t, err)
	s.write(t, w, h)
	defer w.Close()
	r, err := OpenPostgres(t.Context(), url)
	must(t, err)
	defer r.Close()
	s.check(t, r, false)
	for _, sql := range []string{
		`UPDATE aurigraph.transfers SET amount = -5 WHERE seq = 3`, `UPDATE aurigraph.transfers SET reference = '\x00' WHERE seq = 4`, `UPDATE aurigraph.transfers SET kind = 999 WHERE seq = 5`,
	} {
		exec(t, url, sql)
	}
	transfers := make([]verifier.TransferRow, 6)
	_, err = r.Transfers(t.Context(), 0, transfers)
	must(t, err)
	for i, want := range []bool{false, false, true, true, true, false} {
		if got := transfers[i].Damaged != ""; got != want {
			t.Errorf("transfer %d: %q", i+1, transfers[i].Damaged)
		}
	}
	if _, err := r.conn.Exec(t.Context(), `UPDATE aurigraph.meta SET seq = 1`); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a verifier's connection writes: %v", err)
	}
	if _, err := OpenPostgres(t.Context(), "postgres://x:secret@127.0.0.1/y"); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a URL with a password: %v", err)
	}
}

func exec(t *testing.T, url, sql string) {
	t.Helper()
	cc, err := pgdb.Connection(url, "test")
	must(t, err)
	c, err := pgx.ConnectConfig(t.Context(), cc)
	must(t, err)
	_, err = c.Exec(t.Context(), sql)
	must(t, errors.Join(err, c.Close(context.WithoutCancel(t.Context()))))
}
