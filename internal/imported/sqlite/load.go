// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"encoding/json"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
)

// Rows adds rows as one transaction.
func (db *DB) Rows(ctx context.Context, rows []imported.Row) error {
	rest, after, err := db.extent.Take(rows)
	if err != nil || len(rest) == 0 {
		return err
	}
	return db.write(ctx, after, func() error { return db.insert(rest) })
}

// Rounds adds rounds likewise.
func (db *DB) Rounds(ctx context.Context, rounds []imported.Round) error {
	rest, after, err := db.extent.TakeRounds(rounds)
	if err != nil || len(rest) == 0 {
		return err
	}
	return db.write(ctx, after, func() error { return db.insertRounds(rest) })
}

// write does a transaction that leads to an extent.
func (db *DB) write(ctx context.Context, after imported.Extent, do func() error) error {
	err := db.transact(ctx, func() error {
		if err := do(); err != nil {
			return err
		}
		return run(db.conn, updateExtent, int64(after.Rows), int64(after.Rounds))
	})
	if err == nil {
		db.extent = after
	}
	return translate(err, "write the imported history")
}

func (db *DB) transact(ctx context.Context, do func() error) (err error) {
	if db.conn == nil {
		return fault.New(fault.Unavailable, "the imported history is closed")
	}
	if ctx.Err() != nil {
		return fault.Wrap(fault.Timeout, ctx.Err(), "write the imported history")
	}
	db.conn.SetInterrupt(ctx.Done())
	defer db.conn.SetInterrupt(nil)
	end, err := sqlitex.ImmediateTransaction(db.conn)
	if err != nil {
		return err
	}
	defer end(&err)
	return do()
}

// run executes a statement whose parameters are integers.
func run(c *sqlite.Conn, query string, args ...int64) error {
	s, err := c.Prepare(query)
	if err != nil {
		return err
	}
	for i, a := range args {
		s.BindInt64(i+1, a)
	}
	return finish(s)
}

// finish runs a bound statement that has no rows.
func finish(s *sqlite.Stmt) error {
	if _, err := s.Step(); err != nil {
		return err
	}
	return s.Reset()
}

// insert adds many rows a statement, and what is left one by one.
func (db *DB) insert(rows []imported.Row) error {
	many, err := db.conn.Prepare(insertRows)
	if err != nil {
		return err
	}
	for ; len(rows) >= rowsPerStatement; rows = rows[rowsPerStatement:] {
		for i := range rowsPerStatement {
			bind(many, i*rowColumnsNo, &rows[i])
		}
		if err := finish(many); err != nil {
			return err
		}
	}
	one, err := db.conn.Prepare(insertRow)
	if err != nil {
		return err
	}
	for i := range rows {
		bind(one, 0, &rows[i])
		if err := finish(one); err != nil {
			return err
		}
	}
	return nil
}

func bind(s *sqlite.Stmt, at int, r *imported.Row) {
	for i, v := range [...]int64{
		int64(r.Seq), int64(r.Ms), int64(r.Round), int64(r.Place), int64(r.Kind), int64(r.Payer), int64(r.Payee), int64(r.Asset),
		int64(r.Amount.Lo), int64(r.Amount.Hi), int64(r.Outcome),
	} {
		s.BindInt64(at+i+1, v)
	}
}

func (db *DB) insertRounds(rounds []imported.Round) error {
	s, err := db.conn.Prepare(insertRound)
	if err != nil {
		return err
	}
	for i := range rounds {
		r := &rounds[i]
		votes, err := json.Marshal(append([]string{}, r.Votes...))
		if err != nil {
			return fault.Wrap(fault.Internal, err, "write the votes of a round")
		}
		s.BindInt64(1, int64(r.Number))
		s.BindInt64(2, int64(r.Ms))
		s.BindText(3, r.Leader)
		s.BindText(4, string(votes))
		s.BindBytes(5, r.Hash[:])
		s.BindBytes(6, r.Previous[:])
		s.BindInt64(7, int64(r.Transactions))
		if err := finish(s); err != nil {
			return err
		}
	}
	return nil
}

// Finish writes down who has which rows, a chunk a transaction, and gives the file its name.
func (db *DB) Finish(ctx context.Context) error {
	if db.extent.Finished {
		return nil
	}
	done := int64(-1)
	if err := db.transact(ctx, func() error {
		return eachOf(db.conn, selectChunk, func(s *sqlite.Stmt) { done = s.ColumnInt64(0) })
	}); err != nil {
		return translate(err, "index the imported history")
	}
	total := db.extent.Rows
	for chunk := done + 1; chunk <= int64(total>>db.bits); chunk++ {
		db.config.OnProgress(imported.Progress{Done: min(uint64(chunk)<<db.bits, total), Total: total})
		if err := db.transact(ctx, func() error { return db.index(chunk) }); err != nil {
			return translate(err, "index the imported history")
		}
	}
	if err := db.transact(ctx, func() error { return run(db.conn, updateEnd) }); err != nil {
		return translate(err, "finish the imported history")
	}
	db.extent.Finished = true
	db.config.OnProgress(imported.Progress{Done: total, Total: total})
	return db.rename()
}

// index writes the postings of a chunk.
func (db *DB) index(chunk int64) error {
	if err := db.gather(chunk); err != nil {
		return err
	}
	slices.Sort(db.list)
	s, err := db.conn.Prepare(insertPosting)
	if err != nil {
		return err
	}
	for block := range slices.Chunk(db.list, entriesPerBlock) {
		db.buf = appendBlock(db.buf[:0], block)
		s.BindInt64(1, chunk)
		s.BindInt64(2, int64(block[0].account()))
		s.BindInt64(3, block[0].seq(chunk, db.bits))
		s.BindBytes(4, db.buf)
		if err := finish(s); err != nil {
			return err
		}
	}
	return nil
}

// gather lists the entries of a chunk: the accounts of each row, each once, and none of number 0.
func (db *DB) gather(chunk int64) error {
	db.list = db.list[:0]
	s, err := db.conn.Prepare(selectParties)
	if err != nil {
		return err
	}
	s.BindInt64(1, chunk<<db.bits)
	s.BindInt64(2, (chunk+1)<<db.bits)
	for {
		more, err := s.Step()
		if err != nil {
			return err
		}
		if !more {
			return s.Reset()
		}
		seq, payer, payee := s.ColumnInt64(0), accountAt(s, 1), accountAt(s, 2)
		if payer != 0 {
			db.list = append(db.list, newEntry(payer, seq, db.bits))
		}
		if payee != 0 && payee != payer {
			db.list = append(db.list, newEntry(payee, seq, db.bits))
		}
	}
}
