// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// The tables of the block store, as the format document of package store has them. They are read here from the document
// and not through that package's accessors, so that a row which no accessor would find is seen too.
const (
	tableBatch       = 'b'
	tableCertificate = 'c'
	tableEvidence    = 'e'
	tableGap         = 'g'
	tableHeader      = 'h'
	tablePlace       = 'l'
	tableMeta        = 'm'
	tableHandover    = 'n'
	tableOutcome     = 'o'
	tableProposal    = 'p'
	tableHolding     = 'v'
	tableTx          = 'x'
)

func heightKey(table byte, h chain.Height) []byte {
	return binary.BigEndian.AppendUint64([]byte{table}, uint64(h))
}

func placeKey(table byte, h chain.Height, index uint32) []byte {
	return binary.BigEndian.AppendUint32(heightKey(table, h), index)
}

func batchKey(id chain.Hash) []byte { return append([]byte{tableBatch}, id[:]...) }

// rowHeight reads which height left a row behind; false means that no height could.
func rowHeight(key, value []byte) (chain.Height, bool) {
	switch {
	case key[0] == tableBatch && len(key) == 33:
		l, err := codec.DecodeLocation(value)
		return l.Height, err == nil
	case key[0] == tableTx && len(key) == 17 && len(value) == 16:
		return chain.Height(binary.LittleEndian.Uint64(value)), true
	case key[0] == tableHolding && len(key) == 17 && len(value) == 16:
		return chain.Height(binary.BigEndian.Uint64(key[9:])), true
	case key[0] == tablePlace && len(key) == 13:
		return chain.Height(binary.BigEndian.Uint64(key[1:])), true
	}
	return 0, false
}

// summed are the tables whose rows are compared by sums, with a person's word for a row.
var summed = [...]struct {
	table byte
	name  string
}{{tableBatch, "batch index"}, {tableTx, "transaction index"}, {tableHolding, "versioned holdings"}, {tablePlace, "places"}}

func summedAt(table byte) int {
	for i := range summed {
		if summed[i].table == table {
			return i
		}
	}
	return -1
}

// bucketsMax bounds the sums kept for heights that are executed again; more heights share a bucket.
const bucketsMax = 1 << 18

// rowSums compares two sets of rows without holding either: rows are summed by table and height under a hash with a
// secret of this process, so that equal sums mean equal sets. One goroutine owns it.
type rowSums struct {
	seed    maphash.Seed
	base    chain.Height // all heights up to it share bucket 0
	width   chain.Height // heights a bucket, after it
	want    []bucket
	have    []bucket
	scratch []byte
}

type bucket [len(summed)]sum

type sum struct {
	hash uint64
	rows uint32
}

func newRowSums(base, head chain.Height) *rowSums {
	after := max(head, base) - base
	r := &rowSums{seed: maphash.MakeSeed(), base: base, width: after/bucketsMax + 1}
	n := 1 + int((after+r.width-1)/r.width)
	r.want, r.have = make([]bucket, n), make([]bucket, n)
	return r
}

func (r *rowSums) bucketOf(h chain.Height) int {
	if h <= r.base {
		return 0
	}
	return 1 + int((h-r.base-1)/r.width)
}

// heights are the first and last of a bucket.
func (r *rowSums) heights(b int) (from, to chain.Height) {
	if b == 0 {
		return 1, r.base
	}
	from = r.base + 1 + chain.Height(b-1)*r.width
	return from, from + r.width - 1
}

func (r *rowSums) add(to []bucket, h chain.Height, table byte, key, value []byte) {
	t := summedAt(table)
	if t < 0 {
		return
	}
	r.scratch = append(append(r.scratch[:0], key...), value...)
	s := &to[r.bucketOf(h)][t]
	s.hash += maphash.Bytes(r.seed, r.scratch)
	s.rows++
}

// expect notes a row that must be in the store.
func (r *rowSums) expect(h chain.Height, table byte, key, value []byte) {
	r.add(r.want, h, table, key, value)
}

// checkRows compares the summed tables with what was expected, up to the height that re-execution reached, and looks at
// every other key of the store.
func (a *audit) checkRows(ctx context.Context, reached chain.Height) error {
	for i, t := range summed {
		if err := a.sumTable(ctx, t.table, t.name, reached); err != nil {
			return err
		}
		a.progress(StageRows, int64(i+1), int64(len(summed)+1))
	}
	a.compareSums(reached)
	err := errors.Join(a.checkMeta(reached), a.checkEvidence(), a.checkGap(), a.unknownTables())
	a.progress(StageRows, int64(len(summed)+1), int64(len(summed)+1))
	return err
}

func (a *audit) sumTable(ctx context.Context, table byte, name string, reached chain.Height) (err error) {
	it, err := a.store.Iter(store.Prefix([]byte{table}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Err(), it.Close()) }()
	for n := 0; it.Next(); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		h, ok := rowHeight(it.Key(), it.Value())
		switch {
		case !ok:
			a.problem(a.cfg.Data("blocks"), fmt.Sprintf("key %x", it.Key()), "the row of the %s is malformed", name)
		case h == 0 || h > a.head:
			a.problem(a.cfg.Data("blocks"), fmt.Sprintf("key %x", it.Key()), "the row of the %s is of height %d, the chain ends at %d", name, h, a.head)
		case h <= reached:
			a.rows.add(a.rows.have, h, table, it.Key(), it.Value())
		}
	}
	return nil
}

func (a *audit) compareSums(reached chain.Height) {
	for b := range a.rows.want {
		from, to := a.rows.heights(b)
		if from > reached || to > reached && reached < a.head {
			break // execution stopped within this bucket, which was reported
		}
		for t := range summed {
			old := b == 0 && summed[t].table != tableBatch
			want, have := a.rows.want[b][t], a.rows.have[b][t]
			if old || want == have {
				continue // nothing is left that proves the others of old heights; the chain walk saw their places
			}
			where := at(from)
			if to > from {
				where = fmt.Sprintf("heights %d to %d", from, min(to, reached))
			}
			if want.rows == have.rows {
				a.problem(a.cfg.Data("blocks"), where, "%s: a row is not what execution leaves behind", summed[t].name)
				continue
			}
			a.problem(a.cfg.Data("blocks"), where, "%s: %d rows, execution leaves %d behind", summed[t].name, have.rows, want.rows)
		}
	}
}

// The records of the meta table.
const (
	metaFormat  = "format"
	metaLegsOK  = "legs_ok"
	legsOKBytes = 16

	metaSealRefused = "seal_refused" // the number of an epoch in which the node refused to sign, in decimal
	metaSealMissed  = "seal_missed"  // the number of an epoch that has ended by a seal, in decimal
)

// checkMeta checks the named records and that there is no other.
func (a *audit) checkMeta(reached chain.Height) (err error) {
	it, err := a.store.Iter(store.Prefix([]byte{tableMeta}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Err(), it.Close()) }()
	for it.Next() {
		switch name := string(it.Key()[1:]); name {
		case metaGenesis, metaBatchesFrom, metaAdopted: // checked before the chain was walked
		case metaFormat:
			if !bytes.Equal(it.Value(), []byte{store.FormatVersion}) {
				a.problem(a.cfg.Data("blocks"), "meta "+name, "the format is %x", it.Value())
			}
		case metaLegsOK:
			a.checkLegsOK(it.Value(), reached)
		case metaSealRefused:
			if e, err := strconv.ParseUint(string(it.Value()), 10, 64); err != nil || a.epochs.At(chain.Epoch(e)) == nil {
				a.problem(a.cfg.Data("blocks"), "meta "+name, "%q is no epoch of this chain", it.Value())
			}
		case metaSealMissed:
			e, err := strconv.ParseUint(string(it.Value()), 10, 64)
			if end, ended := a.epochs.End(chain.Epoch(e)); err != nil || !ended || end.Verdict == chain.VerdictNone {
				a.problem(a.cfg.Data("blocks"), "meta "+name, "%q is no epoch that was sealed", it.Value())
			}
		default:
			a.problem(a.cfg.Data("blocks"), "meta "+name, "no part of the node knows this record")
		}
	}
	if _, err := store.ReadMeta(a.store, metaLegsOK); fault.Is(err, fault.NotFound) && a.head > 0 {
		a.problem(a.cfg.Data("blocks"), "meta "+metaLegsOK, "the record is missing")
	}
	return nil
}

func (a *audit) checkLegsOK(v []byte, reached chain.Height) {
	where := "meta " + metaLegsOK
	if len(v) != legsOKBytes {
		a.problem(a.cfg.Data("blocks"), where, "the record has %d bytes, not %d", len(v), legsOKBytes)
		return
	}
	h, n := chain.Height(binary.LittleEndian.Uint64(v)), binary.LittleEndian.Uint64(v[8:])
	if h != a.head {
		a.problem(a.cfg.Data("blocks"), where, "the count is as of height %d, the chain ends at %d", h, a.head)
	}
	least, most := a.report.Legs+a.bound.least, a.report.Legs+a.bound.most
	if reached == a.head && (n < least || n > most) {
		a.problem(a.cfg.Data("blocks"), where, "it counts %d transfers, execution gives %d to %d", n, least, most)
	}
}

// unknownTables looks for keys that begin like no table's.
func (a *audit) unknownTables() error {
	known := map[byte]bool{
		tableBatch: true, tableCertificate: true, tableHeader: true, tablePlace: true, tableMeta: true,
		tableOutcome: true, tableProposal: true, tableHolding: true, tableTx: true,
		tableEvidence: true, tableGap: true, tableHandover: true,
	}
	for b := range 256 {
		if known[byte(b)] {
			continue
		}
		it, err := a.store.Iter(store.Prefix([]byte{byte(b)}))
		if err != nil {
			return err
		}
		for it.Next() {
			a.problem(a.cfg.Data("blocks"), fmt.Sprintf("key %x", it.Key()), "the key is of no table")
		}
		if err := errors.Join(it.Err(), it.Close()); err != nil {
			return err
		}
	}
	return nil
}
