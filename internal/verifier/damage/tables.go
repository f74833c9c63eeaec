// SPDX-License-Identifier: Apache-2.0

package damage

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sqlitefault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// busyMax is how long a change waits for who writes the tables now.
const busyMax = 20 * time.Second

func openTables(dir, file string) (*sqlite.Conn, error) {
	c, err := sqlite.OpenConn(filepath.Join(dir, file), sqlite.OpenReadWrite)
	if err != nil {
		return nil, tables(err)
	}
	c.SetBusyTimeout(busyMax)
	return c, nil
}

func tables(err error) error {
	return sqlitefault.Wrap(err, "damage a table", "this is a test: make its network anew")
}

// table is one of V11's.
type table struct {
	of   func(*Planter) *sqlite.Conn
	name string
	key  []string // its primary key
}

var (
	transfers = table{func(p *Planter) *sqlite.Conn { return p.index }, "transfers", []string{"seq"}}
	blocks    = table{func(p *Planter) *sqlite.Conn { return p.index }, "blocks", []string{"height"}}
	listed    = table{func(p *Planter) *sqlite.Conn { return p.index }, "by_account", []string{"chunk", "account", "seq"}}
	history   = table{func(p *Planter) *sqlite.Conn { return p.imported }, "rows", []string{"seq"}}
	rounds    = table{func(p *Planter) *sqlite.Conn { return p.imported }, "rounds", []string{"number"}}
	metadata  = table{func(p *Planter) *sqlite.Conn { return p.imported }, "meta", []string{"id"}}
)

// values are the columns of a row by their names: int64, string, []byte, or nil.
type values map[string]any

func (v values) number(column string) int64 { n, _ := v[column].(int64); return n }

// rowsOf reads rows.
func (p *Planter) rowsOf(t *table, where string, args ...any) (all []values, err error) {
	err = sqlitex.Execute(t.of(p), "SELECT * FROM "+t.name+" "+where, &sqlitex.ExecOptions{Args: args, ResultFunc: func(s *sqlite.Stmt) error {
		v := values{}
		for i := range s.ColumnCount() {
			switch s.ColumnType(i) {
			case sqlite.TypeInteger:
				v[s.ColumnName(i)] = s.ColumnInt64(i)
			case sqlite.TypeBlob:
				b := make([]byte, s.ColumnLen(i))
				s.ColumnBytes(i, b)
				v[s.ColumnName(i)] = b
			case sqlite.TypeText:
				v[s.ColumnName(i)] = s.ColumnText(i)
			default:
				v[s.ColumnName(i)] = nil
			}
		}
		all = append(all, v)
		return nil
	}})
	return all, tables(err)
}

// swap replaces rows by others, in one transaction.
func (p *Planter) swap(t *table, old, with []values) (err error) {
	c := t.of(p)
	end, err := sqlitex.ImmediateTransaction(c)
	if err != nil {
		return tables(err)
	}
	defer end(&err)
	for _, v := range old {
		if err := p.remove(t, v); err != nil {
			return err
		}
	}
	for _, v := range with {
		var names, marks []string
		var args []any
		for name, value := range v {
			names, args = append(names, name), append(args, value)
			marks = append(marks, "?"+strconv.Itoa(len(args)))
		}
		insert := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.name, strings.Join(names, ", "), strings.Join(marks, ", "))
		if err := sqlitex.ExecuteTransient(c, insert, &sqlitex.ExecOptions{Args: args}); err != nil {
			return tables(err)
		}
	}
	return nil
}

func (p *Planter) remove(t *table, v values) error {
	var where []string
	var args []any
	for i, k := range t.key {
		where, args = append(where, fmt.Sprintf("%s = ?%d", k, i+1)), append(args, v[k])
	}
	return tables(sqlitex.ExecuteTransient(t.of(p), "DELETE FROM "+t.name+" WHERE "+strings.Join(where, " AND "), &sqlitex.ExecOptions{Args: args}))
}

// replaceRows replaces rows of a table, and notes how to undo it.
func (p *Planter) replaceRows(t *table, old, with []values) error {
	p.undo = append(p.undo, func(context.Context) error { return p.swap(t, with, old) })
	return p.swap(t, old, with)
}

func copyOf(v values) values {
	c := values{}
	for name, value := range v {
		c[name] = value
	}
	return c
}

// set replaces one row by a changed one.
func (p *Planter) set(t *table, v values, change func(values)) error {
	with := copyOf(v)
	change(with)
	return p.replaceRows(t, []values{v}, []values{with})
}

// Rows that stand still: payments that were made, of an amount that has room for changes.
const (
	madeOf    = `kind = 0 AND outcome = 0 AND payer <> payee AND amount_hi = 0 AND amount_lo > 20`
	fromV10   = madeOf + ` AND v10_round > 0`
	fromV11   = madeOf + ` AND v10_round IS NULL`
	orderless = ` ORDER BY random() LIMIT 200`
)

// transfer finds a row of the index in a block without damage.
func (p *Planter) transfer(where string) (values, []string, error) {
	before := time.Now().Add(-SettledAfter).UnixMicro()
	all, err := p.rowsOf(&transfers, "WHERE seq > 10 AND time_us < ?1 AND "+where+orderless, before)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range all {
		if seq := v.number("seq"); p.free(seqPlace(seq-1), seqPlace(seq+1)) && p.takeAll(placesOf(v)...) {
			return v, transferKeys(v), nil
		}
	}
	return nil, nil, nothing("row of the index " + where)
}

// placesOf are the places of a row of the index.
func placesOf(v values) []string {
	all := []string{seqPlace(v.number("seq")), blockPlace(uint64(v.number("height")))}
	if n := v.number("v10_round"); n > 0 {
		all = append(all, roundPlace(uint64(n)))
	}
	return all
}

func seqPlace(seq int64) string { return "seq " + strconv.FormatInt(seq, 10) }

// transferKeys are the names of a row of the index.
func transferKeys(v values) []string {
	height, batch, item := uint64(v.number("height")), uint32(v.number("batch")), uint32(v.number("item"))
	f := found{payment: payment{Ms: uint64(v.number("time_us")) / 1000}, round: height, place: batch<<13 | item}
	if n, is := v["v10_round"].(int64); is {
		f.Ms, f.round, f.place = uint64(v.number("v10_ms")), uint64(n), uint32(v.number("v10_place"))
	}
	seq := strconv.FormatInt(v.number("seq"), 10)
	return []string{f.id(), seq, "* at " + seq, fmt.Sprintf("%d.%d.%d", height, batch, item)}
}

// indexed changes a row of the index.
func indexed(where string, change func(p *Planter, v values)) plant {
	return func(_ context.Context, p *Planter) ([]string, error) {
		v, keys, err := p.transfer(where)
		if err != nil {
			return nil, err
		}
		if change == nil {
			return keys, p.replaceRows(&transfers, []values{v}, nil)
		}
		return keys, p.set(&transfers, v, func(v values) { change(p, v) })
	}
}

// indexedTwice puts a row of the index in place of the one behind it.
func indexedTwice(_ context.Context, p *Planter) ([]string, error) {
	v, keys, err := p.transfer(fromV10)
	if err != nil {
		return nil, err
	}
	next, err := p.rowsOf(&transfers, "WHERE seq = ?1", v.number("seq")+1)
	if err != nil || len(next) == 0 {
		return nil, nothing("row of the index behind another")
	}
	p.take(seqPlace(v.number("seq") + 1))
	return append(keys, transferKeys(next[0])...), p.set(&transfers, next[0], func(n values) {
		for name, value := range v {
			n[name] = value
		}
		n["seq"] = next[0]["seq"]
		n["id"] = next[0]["id"]
	})
}

// indexedElsewhere lets two rows of the index change places that lie beside each other.
func indexedElsewhere(_ context.Context, p *Planter) ([]string, error) {
	for range 100 {
		a, keys, err := p.transfer(fromV10)
		if err != nil {
			return nil, err
		}
		b, err := p.rowsOf(&transfers, "WHERE seq = ?1 AND v10_round > 0 AND height > ?2", a.number("seq")+1, a.number("height"))
		if err != nil {
			return nil, err
		}
		if len(b) == 0 {
			continue
		}
		p.take(seqPlace(a.number("seq") + 1))
		x, y := copyOf(a), copyOf(b[0])
		x["seq"], y["seq"] = b[0]["seq"], a["seq"]
		return append(keys, transferKeys(b[0])...), p.replaceRows(&transfers, []values{a, b[0]}, []values{x, y})
	}
	return nil, nothing("neighbours in the index of two blocks")
}

func add(column string, n int64) func(*Planter, values) {
	return func(_ *Planter, v values) { v[column] = v.number(column) + n }
}

func times(column string, n int64) func(*Planter, values) {
	return func(_ *Planter, v values) { v[column] = v.number(column) * n }
}

func with(column string, value any) func(*Planter, values) {
	return func(_ *Planter, v values) { v[column] = value }
}

func exchange(a, b string) func(*Planter, values) {
	return func(_ *Planter, v values) { v[a], v[b] = v[b], v[a] }
}

// other makes another account a party: one of the first that there are, and that is neither.
func other(column string) func(*Planter, values) {
	return func(_ *Planter, v values) {
		for n := int64(2); ; n++ {
			if n != v.number("payer") && n != v.number("payee") {
				v[column] = n
				return
			}
		}
	}
}

func flipped(column string) func(*Planter, values) {
	return func(_ *Planter, v values) {
		b, _ := v[column].([]byte)
		c := append([]byte{}, b...)
		c[0] ^= 0xff
		v[column] = c
	}
}

// indexedBlock changes a block of the index: one of V11's payments, which V10 knows.
func indexedBlock(change func(p *Planter, v values)) plant {
	return func(_ context.Context, p *Planter) ([]string, error) {
		of, keys, err := p.transfer(fromV11)
		if err != nil {
			return nil, err
		}
		height := of.number("height")
		p.take(blockPlace(uint64(height + 1)))
		all, err := p.rowsOf(&blocks, "WHERE height = ?1", height)
		if err != nil || len(all) == 0 {
			return nil, nothing("block of the index")
		}
		same, err := p.rowsOf(&transfers, "WHERE height = ?1", height)
		if err != nil {
			return nil, err
		}
		for _, v := range same {
			keys = append(keys, transferKeys(v)...)
		}
		keys = append(keys, strconv.FormatInt(height, 10), strconv.FormatInt(height+1, 10))
		if change == nil {
			return keys, p.replaceRows(&blocks, all, nil)
		}
		return keys, p.set(&blocks, all[0], func(v values) { change(p, v) })
	}
}

// listedRow changes a row of the index by account; nil removes it.
func listedRow(change func(v values)) plant {
	return func(_ context.Context, p *Planter) ([]string, error) {
		of, _, err := p.transfer(fromV10)
		if err != nil {
			return nil, err
		}
		all, err := p.rowsOf(&listed, "WHERE chunk = ?1 AND account = ?2 AND seq = ?3", of.number("seq")>>16, of.number("payer"), of.number("seq"))
		if err != nil || len(all) == 0 {
			return nil, nothing("row of the index by account")
		}
		keys := []string{fmt.Sprintf("account %d at %d", of.number("payer"), of.number("seq"))}
		if change == nil {
			return keys, p.replaceRows(&listed, all, nil)
		}
		row := copyOf(all[0])
		change(row)
		keys = append(keys, fmt.Sprintf("account %d at %d", row.number("account"), row.number("seq")))
		if row.number("account") != all[0].number("account") { // one more, not another
			return keys, p.replaceRows(&listed, nil, []values{row})
		}
		return keys, p.replaceRows(&listed, all, []values{row})
	}
}

// historyRow finds a row of the copied history in a round without damage.
func (p *Planter) historyRow() (values, []string, error) {
	all, err := p.rowsOf(&history, "WHERE seq > 10 AND "+madeOf+" AND seq IN (SELECT abs(random()) % (SELECT max(seq) FROM rows) FROM rows LIMIT 400)")
	if err != nil {
		return nil, nil, err
	}
	for _, v := range all {
		clear := !p.used[historyPlace(v.number("seq")-1)] && !p.used[historyPlace(v.number("seq")+1)]
		if clear && p.take(historyPlace(v.number("seq"))) {
			return v, historyKeys(v), nil
		}
	}
	return nil, nil, nothing("row of the copied history")
}

func historyPlace(seq int64) string { return "history " + strconv.FormatInt(seq, 10) }

func historyKeys(v values) []string {
	text := v10.TxIDAt(0, chain.Height(v.number("round")), uint32(v.number("place"))).String()
	return []string{"*" + text[strings.LastIndexByte(text, '_'):], strconv.FormatInt(v.number("seq"), 10)}
}

// copied changes a row of the copied history.
func copied(change func(p *Planter, v values)) plant {
	return func(_ context.Context, p *Planter) ([]string, error) {
		v, keys, err := p.historyRow()
		if err != nil {
			return nil, err
		}
		if change == nil {
			return keys, p.replaceRows(&history, []values{v}, nil)
		}
		return keys, p.set(&history, v, func(v values) { change(p, v) })
	}
}

// copiedTwice puts a row of the copied history in place of the one behind it.
func copiedTwice(_ context.Context, p *Planter) ([]string, error) {
	v, keys, err := p.historyRow()
	if err != nil {
		return nil, err
	}
	next, err := p.rowsOf(&history, "WHERE seq = ?1", v.number("seq")+1)
	if err != nil || len(next) == 0 {
		return nil, nothing("row of the copied history behind another")
	}
	p.take(historyPlace(v.number("seq") + 1))
	return append(keys, historyKeys(next[0])...), p.set(&history, next[0], func(n values) {
		for name, value := range v {
			n[name] = value
		}
		n["seq"] = next[0]["seq"]
	})
}

// copiedElsewhere lets two rows of the copied history change places, near enough to be known again.
func copiedElsewhere(_ context.Context, p *Planter) ([]string, error) {
	a, keys, err := p.historyRow()
	if err != nil {
		return nil, err
	}
	near, err := p.rowsOf(&history, "WHERE seq = ?1", a.number("seq")+3)
	if err != nil || len(near) == 0 || !p.take(historyPlace(a.number("seq")+3)) {
		return nil, nothing("row of the copied history near another")
	}
	x, y := copyOf(a), copyOf(near[0])
	x["seq"], y["seq"] = near[0]["seq"], a["seq"]
	return append(keys, historyKeys(near[0])...), p.replaceRows(&history, []values{a, near[0]}, []values{x, y})
}

// copiedRound changes a round of the copied history.
func copiedRound(change func(p *Planter, v values)) plant {
	return func(_ context.Context, p *Planter) ([]string, error) {
		all, err := p.rowsOf(&rounds, "WHERE number > 0 AND number < (SELECT max(number) FROM rounds)"+orderless)
		if err != nil {
			return nil, err
		}
		for _, v := range all {
			n := v.number("number")
			if !p.take("copied round " + strconv.FormatInt(n, 10)) {
				continue
			}
			keys := []string{strconv.FormatInt(n, 10)}
			if change == nil {
				keys = append(keys, "rounds") // which are counted
				return keys, p.replaceRows(&rounds, []values{v}, nil)
			}
			return keys, p.set(&rounds, v, func(v values) { change(p, v) })
		}
		return nil, nothing("copied round")
	}
}

// copiedMeta changes what the copied history says of itself.
func copiedMeta(named string, change func(p *Planter, v values)) plant {
	return func(_ context.Context, p *Planter) ([]string, error) {
		all, err := p.rowsOf(&metadata, "WHERE id = 1")
		if err != nil || len(all) == 0 {
			return nil, fault.Wrap(fault.Unavailable, err, "read the copied history")
		}
		return []string{named}, p.set(&metadata, all[0], func(v values) { change(p, v) })
	}
}
