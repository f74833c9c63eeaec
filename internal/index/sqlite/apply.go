// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// kinds are the words of a transfer's kind, by their number in the file. Append only.
var kinds = [...]string{
	history.KindTransfer, history.KindHold, history.KindPost, history.KindVoid, history.KindIssue, history.KindRedeem, history.KindUnknown,
}

// Apply writes a group as one transaction.
func (db *DB) Apply(g *index.Group) error {
	if g.From != db.next || g.Next.Less(g.From) {
		return fault.New(fault.Conflict, "the index stands at %v, the group goes from %v to %v", db.next, g.From, g.Next)
	}
	if err := db.apply(g); err != nil {
		return translate(err, "write the index")
	}
	db.next, db.seq = g.Next, db.seq+int64(len(g.Rows))
	return nil
}

func (db *DB) apply(g *index.Group) (err error) {
	end, err := sqlitex.ImmediateTransaction(db.writer)
	if err != nil {
		return err
	}
	defer end(&err)
	if err := db.insertBlocks(g); err != nil {
		return err
	}
	if err := db.insertTransfers(g.Rows); err != nil {
		return err
	}
	if err := db.insertAccounts(g.Rows); err != nil {
		return err
	}
	return run(db.writer, updateMeta, int64(g.Next.Height), int64(g.Next.Batch), db.seq+int64(len(g.Rows)))
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

func (db *DB) insertBlocks(g *index.Group) error {
	s, err := db.writer.Prepare(insertBlock)
	if err != nil {
		return err
	}
	for i := range g.Blocks {
		b := &g.Blocks[i]
		s.BindInt64(1, int64(b.Height))
		s.BindBytes(2, b.Hash[:])
		s.BindInt64(3, int64(b.TimeUs))
		s.BindInt64(4, int64(b.Items))
		if err := finish(s); err != nil {
			return err
		}
	}
	for _, gap := range g.Gaps {
		if err := run(db.writer, insertGap, int64(gap.From.Height), int64(gap.From.Batch), int64(gap.To)); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) insertTransfers(rows []history.Transfer) error {
	s, err := db.writer.Prepare(insertTransfer)
	if err != nil {
		return err
	}
	for i := range rows {
		bindTransfer(s, db.seq+int64(i), &rows[i])
		if err := finish(s); err != nil {
			return err
		}
	}
	return nil
}

func bindTransfer(s *sqlite.Stmt, seq int64, t *history.Transfer) {
	for i, v := range [...]int64{seq, int64(t.Height), int64(t.Index), int64(t.Item)} {
		s.BindInt64(1+i, v)
	}
	s.BindBytes(5, t.ID[:])
	for i, v := range [...]int64{
		int64(t.From), int64(t.To), int64(t.Asset), int64(t.Amount.Lo), int64(t.Amount.Hi), int64(slices.Index(kinds[:], t.Kind)), int64(t.Outcome),
	} {
		s.BindInt64(6+i, v)
	}
	if t.Reference == ([32]byte{}) {
		s.BindNull(13)
	} else {
		s.BindBytes(13, t.Reference[:])
	}
	s.BindInt64(14, int64(t.TimeUs))
	bindOrigin(s, 15, &t.Origin)
}

func bindOrigin(s *sqlite.Stmt, first int, o *history.Origin) {
	if *o == (history.Origin{}) {
		for i := range 3 {
			s.BindNull(first + i)
		}
		return
	}
	s.BindInt64(first, int64(o.Ms))
	s.BindInt64(first+1, int64(o.Round))
	s.BindInt64(first+2, int64(o.Place))
}

// insertAccounts writes the account index in its own order, so that neighbours share a page while it is at hand.
func (db *DB) insertAccounts(rows []history.Transfer) error {
	keys := db.keys[:0]
	for i := range rows {
		seq := db.seq + int64(i)
		keys = eachAccount(keys, seq, rows[i].From, rows[i].To)
	}
	db.keys = keys
	slices.SortFunc(keys, accountKey.compare)
	s, err := db.writer.Prepare(insertAccount)
	if err != nil {
		return err
	}
	for _, k := range keys {
		s.BindInt64(1, k.seq>>chunkBits)
		s.BindInt64(2, int64(k.account))
		s.BindInt64(3, k.seq)
		if err := finish(s); err != nil {
			return err
		}
	}
	return nil
}

type accountKey struct {
	account chain.AccountNo
	seq     int64
}

func (a accountKey) compare(b accountKey) int {
	if x, y := a.seq>>chunkBits, b.seq>>chunkBits; x != y {
		return int(x - y)
	}
	if a.account != b.account {
		return int(int64(a.account) - int64(b.account))
	}
	return int(a.seq - b.seq)
}

// eachAccount appends the keys of one transfer: its accounts, each once, and none of number 0.
func eachAccount(keys []accountKey, seq int64, from, to chain.AccountNo) []accountKey {
	if from != 0 {
		keys = append(keys, accountKey{from, seq})
	}
	if to != 0 && to != from {
		keys = append(keys, accountKey{to, seq})
	}
	return keys
}
