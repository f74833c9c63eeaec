// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"fmt"
	"math"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/index"
)

// column is what a column of the file may hold: integers from 0 to most (any, if most is -1), or, if bytes is set, that many.
type column struct {
	name  string
	most  int64
	bytes int
	null  bool
}

const anyInteger = -1

var (
	blockColumns = [...]column{{name: "height", most: math.MaxInt64}, {name: "hash", bytes: 32}, {name: "time_us", most: anyInteger}, {name: "items", most: anyInteger}}
	gapColumns   = [...]column{{name: "from_height", most: math.MaxInt64}, {name: "from_batch", most: math.MaxUint32}, {name: "to_height", most: math.MaxInt64}}
	// transferColumns are those of columns.
	transferColumns = [...]column{
		{name: "seq", most: math.MaxInt64}, {name: "height", most: math.MaxInt64}, {name: "batch", most: math.MaxUint32}, {name: "item", most: math.MaxUint32},
		{name: "id", bytes: 32}, {name: "payer", most: math.MaxUint32}, {name: "payee", most: math.MaxUint32}, {name: "asset", most: math.MaxUint32},
		{name: "amount_lo", most: anyInteger}, {name: "amount_hi", most: anyInteger}, {name: "kind", most: int64(len(kinds) - 1)},
		{name: "outcome", most: math.MaxUint8}, {name: "reference", bytes: 32, null: true}, {name: "time_us", most: anyInteger},
		{name: "v10_ms", most: anyInteger, null: true}, {name: "v10_round", most: math.MaxInt64, null: true}, {name: "v10_place", most: math.MaxUint32, null: true},
	}
)

// strict refuses a row with a value that is not written as this package writes it: reading would make another one of it.
func strict(s *sqlite.Stmt, columns []column) error {
	for i := range columns {
		c, ok := &columns[i], false
		switch t := s.ColumnType(i); {
		case t == sqlite.TypeNull:
			ok = c.null
		case c.bytes > 0:
			ok = t == sqlite.TypeBlob && s.ColumnLen(i) == c.bytes
		case t == sqlite.TypeInteger:
			v := s.ColumnInt64(i)
			ok = c.most == anyInteger || v >= 0 && v <= c.most
		}
		if !ok {
			return fault.New(fault.Corrupt, "the row with %s %s has a %s that is not one: %s", columns[0].name, s.ColumnText(0), c.name, s.ColumnText(i))
		}
	}
	return nil
}

// Check reports what is wrong with the file itself: its tables, its pages, the numbers of its transfers, their ids in V10, and the
// lists by account, which must name each transfer of an account, and nothing else. Of one kind it reports ten.
func (c *Contents) Check(ctx context.Context, report func(index.Difference)) error {
	if c.empty {
		return ctx.Err()
	}
	for _, check := range []func(func(index.Difference)) error{c.checkSchema, c.checkPages, c.checkNumbers, c.checkOrigins, c.checkAccounts} {
		if err := check(report); err != nil {
			if err = translate(err, "read the index"); !fault.Is(err, fault.Corrupt) {
				return err
			}
			report(index.Difference{Where: FileName, What: err.Error()})
			return nil
		}
	}
	return ctx.Err()
}

// checkSchema compares the tables with those of a new index.
func (c *Contents) checkSchema(report func(index.Difference)) error {
	memory, err := sqlite.OpenConn(":memory:", sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	defer memory.Close()
	if err := sqlitex.ExecuteScript(memory, schema, nil); err != nil {
		return err
	}
	want, err := texts(memory, selectSchema)
	if err != nil {
		return err
	}
	have, err := texts(c.conn, selectSchema)
	if err == nil && !slices.Equal(have, want) {
		report(index.Difference{Where: "tables", What: fmt.Sprintf("the file has other tables than an index: %q", have)})
	}
	return err
}

// texts are the values of a query with one column.
func texts(c *sqlite.Conn, query string) (out []string, err error) {
	err = sqlitex.ExecuteTransient(c, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		out = append(out, s.ColumnText(0))
		return nil
	}})
	return out, err
}

func (c *Contents) checkPages(report func(index.Difference)) error {
	found, err := texts(c.conn, "PRAGMA integrity_check(10)") // unlike quick_check it compares the index by origin with its table
	if err == nil && !slices.Equal(found, []string{"ok"}) {
		for _, what := range found {
			report(index.Difference{Where: "pages", What: what})
		}
	}
	return err
}

// checkNumbers wants the transfers to be numbered from 1 on without a hole.
func (c *Contents) checkNumbers(report func(index.Difference)) error {
	return sqlitex.ExecuteTransient(c.conn, selectNumbers, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		n, first, last := s.ColumnInt64(0), s.ColumnInt64(1), s.ColumnInt64(2)
		if n != c.seq-1 || last != c.seq-1 || n > 0 && first != 1 {
			report(index.Difference{Where: "numbers", What: fmt.Sprintf("%d transfers are numbered %d to %d, the next is said to be %d", n, first, last, c.seq)})
		}
		return nil
	}})
}

func (c *Contents) checkOrigins(report func(index.Difference)) error {
	found, err := texts(c.conn, selectHalfOrigins)
	for _, what := range found {
		report(index.Difference{Where: "ids of V10", What: what + " has a part of one"})
	}
	return err
}

func (c *Contents) checkAccounts(report func(index.Difference)) error {
	found, err := texts(c.conn, selectStrayAccounts)
	if err != nil {
		return err
	}
	for _, what := range found {
		report(index.Difference{Where: "lists by account", What: "account, transfer: " + what + " is not one of the transfers"})
	}
	counts, err := texts(c.conn, selectAccountCounts)
	if err != nil || len(counts) == 2 && counts[0] == counts[1] {
		return err
	}
	if found, err = texts(c.conn, selectUnlisted); err != nil {
		return err
	}
	for _, what := range found {
		report(index.Difference{Where: "lists by account", What: what + " is not in the lists of its accounts"})
	}
	return nil
}
