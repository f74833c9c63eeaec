// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// drilledMax bounds the cells that are counted exactly at once: buckets beyond it are left for the next run.
const drilledMax = 20_000

// drill counts exactly what lies in buckets whose sums are not nothing.
type drill struct {
	sets
	sums      *sums
	state     State
	accounts  *lookup
	assets    *lookup
	bounds    *bounds
	genesis   []StateBalance
	lastRound uint64 // of V10's
	rowsSeen  uint64 // of transactions, on the larger side
	Left      int    // buckets that were left out
	// corrections are in the sums already.
	corrections []correction
}

// narrow leaves as many buckets as have about drilledMax cells.
func (d *drill) narrow(b *Buckets, cells uint64) *Buckets {
	keep := bucketsMax
	if cells > 0 {
		keep = int(min(bucketsMax, max(1, drilledMax*bucketsMax/cells)))
	}
	if b.Count > keep {
		d.Left += b.Count - keep
		b.Keep(keep)
	}
	return b
}

func (d *drill) run(ctx context.Context) error {
	for _, part := range []func(context.Context) error{d.v10Balances, d.v11Balances, d.parties, d.listed, d.held, d.hashes} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// members counts rows of a set: one side's for, the other's against.
type members struct {
	in    *Buckets
	count map[uint64]int
	key   map[uint64]string
}

func (m *members) add(cell uint64, n int, key func() string) {
	if !m.in.Has(cell) {
		return
	}
	if m.count[cell] += n; m.count[cell] == 0 {
		delete(m.count, cell)
		delete(m.key, cell)
		return
	}
	if m.key[cell] == "" {
		m.key[cell] = key()
	}
}

func (d *drill) membersOf(s *Marks, cells uint64) *members {
	b := d.narrow(s.Buckets(), cells)
	if b.Count == 0 {
		return nil
	}
	return &members{b, map[uint64]int{}, map[uint64]string{}}
}

// tell adds a finding for each row that one side lacks.
func (m *members) tell(finds *Findings, side, table string) {
	for cell, n := range m.count {
		class := classMissing
		if n < 0 {
			class = classExtra
		}
		finds.Add(Finding{Class: class, Side: side, Table: table, Key: m.key[cell]})
	}
}

// transactionsOf calls each for V10's transactions of a kind of key.
func (d *drill) transactionsOf(ctx context.Context, kind byte, each func(t *Tx, w *v10Transaction)) error {
	n := names{d.hasher}
	return walk(ctx, d.kv, Transactions, []byte{kind}, []byte{kind + 1}, d.step, func(key, row []byte) error {
		var w v10Transaction
		if !scanTransaction(row, &w) && !looseTransaction(row, &w) {
			return nil
		}
		t := Tx{}
		t.Round, t.Place, _ = placeKey(key)
		n.fill(&t, &w)
		each(&t, &w)
		return nil
	})
}

func (d *drill) parties(ctx context.Context) error {
	for _, p := range []struct {
		sum   *Marks
		table partyTable
	}{{&d.sums.parties, partiesOwn}, {&d.sums.applied, partiesApplied}} {
		m := d.membersOf(p.sum, 2*d.rowsSeen)
		if m == nil {
			continue
		}
		err := d.transactionsOf(ctx, p.table.of, func(t *Tx, _ *v10Transaction) {
			for i, cell := range [2]uint64{t.FromRow, t.ToRow} {
				if cell != 0 {
					row := partyRow{cell, [2]uint64{t.From, t.To}[i], t.Round, t.Place}
					m.add(cell, 1, row.key)
				}
			}
		})
		if err == nil {
			err = d.partyRows(ctx, p.table, func(row *partyRow) { m.add(row.cell, -1, row.key) })
		}
		if err != nil {
			return err
		}
		m.tell(d.finds, SideV10, p.table.name)
	}
	return nil
}

func (d *drill) listed(ctx context.Context) error {
	if !d.meta.HasListed {
		return nil
	}
	m := d.membersOf(&d.sums.listed, 2*d.rowsSeen)
	if m == nil {
		return nil
	}
	err := d.transfers(ctx, func(row *TransferRow) {
		for i, account := range [2]uint32{row.Payer, row.Payee} {
			if account != 0 && (i == 0 || account != row.Payer) {
				l := ListedRow{Account: account, Seq: row.Seq}
				m.add(d.hasher.words(ofListed, uint64(account), row.Seq), 1, l.key)
			}
		}
	})
	if err != nil {
		return err
	}
	if err := d.listedRows(ctx, func(cell uint64, l *ListedRow) { m.add(cell, -1, l.key) }); err != nil {
		return err
	}
	m.tell(d.finds, SideV11, TableIndexListed)
	return nil
}

// transfers calls each for the rows of the index that the run is about.
func (d *drill) transfers(ctx context.Context, each func(*TransferRow)) error {
	buf := make([]TransferRow, batchRows)
	for after := uint64(0); ; {
		n, err := d.rows.Transfers(ctx, after, buf)
		if err != nil || n == 0 {
			return err
		}
		for i := range buf[:n] {
			if after = buf[i].Seq; after >= d.meta.Seq {
				return nil
			}
			each(&buf[i])
		}
		if err := d.step(ctx, n); err != nil {
			return err
		}
	}
}

// money calls each for all rows that say what V11's accounts hold: of the copied history too.
func (d *drill) money(ctx context.Context, each func(*TransferRow)) error {
	buf := make([]ImportedRow, batchRows)
	for after := uint64(0); d.meta.Copied; {
		n, err := d.rows.Imported(ctx, after, buf)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		for i := range buf[:n] {
			r := &buf[i]
			after = r.Seq
			each(&TransferRow{Payer: r.Payer, Payee: r.Payee, Asset: r.Asset, Kind: r.Kind, Outcome: r.Outcome, Amount: r.Amount, Damaged: r.Damaged})
		}
		if err := d.step(ctx, n); err != nil {
			return err
		}
	}
	return d.transfers(ctx, each)
}

// held compares V10's balances with its rows by account. A row by account without a balance is one too many, or the balance is gone:
// then its entries do not add up either.
func (d *drill) held(ctx context.Context) error {
	m := d.membersOf(&d.sums.held, d.rowsSeen)
	if m == nil {
		return nil
	}
	v10 := d.sums.v10.Buckets()
	gone := map[uint64]bool{}
	add := func(first, second []byte, n int, nameFirst bool) {
		name, code := second, first
		if nameFirst {
			name, code = first, second
		}
		h, c := d.hasher.bytes(ofName, name), d.hasher.bytes(ofCode, code)
		cell := d.hasher.words(ofHolder, h, c)
		m.add(cell, n, func() string { return d.holderKey(name, code) })
		if m.count[cell] < 0 {
			gone[cell] = v10.Has(d.hasher.words(ofCell, h, c))
		}
	}
	for _, w := range []struct {
		f         Family
		n         int
		nameFirst bool
	}{{Assets, 1, false}, {Accounts, -1, true}} {
		err := walk(ctx, d.kv, w.f, []byte{keyHolder}, []byte{keyHolder + 1}, d.step, func(key, _ []byte) error {
			if first, second, ok := splitHolder(key); ok {
				add(first, second, w.n, w.nameFirst)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for cell, n := range m.count {
		f := Finding{Class: classMissing, Side: SideV10, Table: TableHeld, Key: m.key[cell]}
		switch {
		case n < 0 && gone[cell]:
			f.Table = TableBalances
		case n < 0:
			f.Class = classExtra
		}
		d.finds.Add(f)
	}
	return nil
}

// holderKey names an account of V10's by its number.
func (d *drill) holderKey(name, code []byte) string {
	var a v10Account
	row, err := d.kv.Get(Accounts, append([]byte{keyName}, name...))
	if err != nil || !scanAccount(row, &a) {
		return "account " + partyText(d.hasher.bytes(ofName, name)) + " " + string(code)
	}
	return fmt.Sprintf("account %d %s", a.Number, code)
}

func (d *drill) hashes(ctx context.Context) error {
	m := d.membersOf(&d.sums.hashes, d.rowsSeen)
	if m == nil {
		return nil
	}
	err := walk(ctx, d.kv, Consensus, []byte{keyRound}, []byte{keyRound + 1}, d.step, func(key, row []byte) error {
		var r RoundRow
		if no, ok := numberKey(key); ok && scanRound(row, &r) {
			m.add(d.hasher.words(ofBlock, d.hasher.bytes(ofBlock, r.Hash[:]), no), 1, func() string { return hex32(r.Hash) })
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = walk(ctx, d.kv, Consensus, []byte{keyHash}, []byte{keyHash + 1}, d.step, func(key, row []byte) error {
		if len(key) == 33 && len(row) == 8 {
			m.add(d.hasher.words(ofBlock, d.hasher.bytes(ofBlock, key[1:]), be64(row)), -1, func() string { return hex.EncodeToString(key[1:]) })
		}
		return nil
	})
	m.tell(d.finds, SideV10, TableHashes)
	return err
}

// cell is a sum that is counted exactly.
type cell struct {
	entries, balance chain.Amount // modulo 2^128
	asset            uint64
	key              string
	twice, never     bool
}

// supplyKey begins the key of a supply.
const supplyKey = "supply "

func (c *cell) diff() chain.Amount { return wrapSub(c.balance, c.entries) }

func wrapSub(a, b chain.Amount) chain.Amount { d, _ := a.Sub(b); return d }
func wrapAdd(a, b chain.Amount) chain.Amount { s, _ := a.Add(b); return s }

// ledgerCells counts cells of one side exactly.
type ledgerCells struct {
	in    *Buckets
	cells map[uint64]*cell
}

func (d *drill) cellsIn(s *Sketch) *ledgerCells {
	b := d.narrow(s.Buckets(), 2*d.rowsSeen)
	if b.Count == 0 {
		return nil
	}
	return &ledgerCells{b, map[uint64]*cell{}}
}

func (l *ledgerCells) of(id, asset uint64) *cell {
	if !l.in.Has(id) {
		return nil
	}
	c := l.cells[id]
	if c == nil {
		if len(l.cells) >= 4*drilledMax {
			return nil
		}
		c = &cell{asset: asset}
		l.cells[id] = c
	}
	return c
}

func (l *ledgerCells) entry(t *Tx, name func(side int) string) {
	if t.Outcome != uint8(chain.OK) || t.Unread {
		return
	}
	move := func(id uint64, a chain.Amount, sum func(x, y chain.Amount) chain.Amount) {
		asset := t.Asset
		if id == t.SupplyCell {
			asset = ^asset
		}
		if c := l.of(id, asset); c != nil {
			c.entries = sum(c.entries, a)
			if c.key == "" {
				c.key = name(map[uint64]int{t.FromCell: 0, t.SupplyCell: 2, t.ToCell: 1}[id])
			}
		}
	}
	t.each(func(id uint64, a chain.Amount) { move(id, a, wrapAdd) }, func(id uint64, a chain.Amount) { move(id, a, wrapSub) })
}

func (l *ledgerCells) holds(id, asset uint64, a chain.Amount, key func() string) {
	if c := l.of(id, asset); c != nil {
		c.balance = wrapAdd(c.balance, a)
		c.key = key()
	}
}

// correct counts the right rows for those that are known to be wrong.
func (l *ledgerCells) correct(side string, all []correction) {
	for i := range all {
		c := &all[i]
		if !c.counts(side) {
			continue
		}
		up, down := wrapAdd, wrapSub
		if !c.add {
			up, down = down, up
		}
		move := func(sum func(x, y chain.Amount) chain.Amount) func(uint64, chain.Amount) {
			return func(id uint64, a chain.Amount) {
				if cell := l.of(id, c.tx.Asset); cell != nil {
					cell.entries = sum(cell.entries, a)
				}
			}
		}
		c.tx.each(move(up), move(down))
	}
}

// wrong leaves only the cells that do not add up.
func (l *ledgerCells) wrong() bool {
	for id, c := range l.cells {
		if c.diff().IsZero() {
			delete(l.cells, id)
		}
	}
	return len(l.cells) > 0
}

// look notes whether one entry is what a cell has too much or too little.
func (l *ledgerCells) look(t *Tx) {
	if t.Outcome != uint8(chain.OK) || t.Unread {
		return
	}
	t.each(func(id uint64, a chain.Amount) {
		if c := l.cells[id]; c != nil {
			c.twice, c.never = c.twice || c.diff() == a, c.never || c.diff() == wrapSub(chain.Amount{}, a)
		}
	}, func(id uint64, a chain.Amount) {
		if c := l.cells[id]; c != nil {
			c.twice, c.never = c.twice || c.diff() == wrapSub(chain.Amount{}, a), c.never || c.diff() == a
		}
	})
}

// tell adds a finding for each cell, with a class for what it looks like.
func (l *ledgerCells) tell(finds *Findings, side, table string) {
	byAsset, count := map[uint64]chain.Amount{}, map[uint64]int{}
	for _, c := range l.cells {
		byAsset[c.asset] = wrapAdd(byAsset[c.asset], c.diff())
		count[c.asset]++
	}
	one, minusOne := chain.Units(1), chain.Amount{Lo: math.MaxUint64, Hi: math.MaxUint64}
	for _, c := range l.cells {
		if code, supply := strings.CutPrefix(c.key, supplyKey); supply { // said already, if the holdings do not make it either
			finds.Add(Finding{Class: classSupply, Side: side, Table: TableAssets, Key: code, Expected: signed(c.entries), Found: signed(c.balance)})
			continue
		}
		class := classSumOff
		switch {
		case count[c.asset] > 1 && byAsset[c.asset].IsZero():
			class = classCancelling
		case c.diff() == one || c.diff() == minusOne:
			class = classOffByOne
		case c.twice:
			class = classOnce
		case c.never:
			class = classNever
		}
		finds.Add(Finding{Class: class, Side: side, Table: table, Key: c.key, Expected: signed(c.entries), Found: signed(c.balance)})
	}
}

// signed writes an amount modulo 2^128: what lies in the upper half was below zero.
func signed(a chain.Amount) string {
	if a.Hi>>63 == 0 {
		return a.String()
	}
	return "-" + wrapSub(chain.Amount{}, a).String()
}

func (d *drill) v10Balances(ctx context.Context) error {
	l := d.cellsIn(&d.sums.v10)
	if l == nil {
		return nil
	}
	for _, kind := range []byte{keyPlace, keyApplied} {
		err := d.transactionsOf(ctx, kind, func(t *Tx, w *v10Transaction) {
			t.Unread = kind == keyPlace && t.Round > d.lastRound
			l.entry(t, func(side int) string { return d.holderKey([][]byte{w.From, w.To, nil}[side], w.Asset) })
		})
		if err != nil {
			return err
		}
	}
	err := walk(ctx, d.kv, Assets, []byte{keyHolder}, []byte{keyHolder + 1}, d.step, func(key, row []byte) error {
		code, name, ok := splitHolder(key)
		a, digits := parseUnits(row)
		if !digits {
			a, _ = chain.ParseAmount(string(row), 0)
		}
		if ok {
			c := d.hasher.bytes(ofCode, code)
			l.holds(d.hasher.words(ofCell, d.hasher.bytes(ofName, name), c), c, a, func() string { return d.holderKey(name, code) })
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = walk(ctx, d.kv, Assets, []byte{keyName}, []byte{keyName + 1}, d.step, func(key, row []byte) error {
		var a v10Asset
		if c := d.hasher.bytes(ofCode, key[1:]); scanAsset(row, &a) {
			l.holds(d.hasher.words(ofSupply, c, 0), ^c, a.Supply, func() string { return supplyKey + string(key[1:]) })
		}
		return nil
	})
	l.correct(SideV10, d.corrections)
	if err != nil || !l.wrong() {
		return err
	}
	for _, kind := range []byte{keyPlace, keyApplied} {
		if err := d.transactionsOf(ctx, kind, func(t *Tx, _ *v10Transaction) { l.look(t) }); err != nil {
			return err
		}
	}
	l.tell(d.finds, SideV10, TableBalances)
	return nil
}

// txOf makes a Tx of a row of the index, as far as money goes.
func (d *drill) txOf(row *TransferRow) Tx {
	t := Tx{Kind: row.Kind, Outcome: row.Outcome, Amount: row.Amount, Unread: row.Damaged != ""}
	r := v11Reader{hasher: d.hasher, accounts: d.accounts, assets: d.assets}
	r.parties(&t, row.Payer, row.Payee, row.Asset)
	if !portable(t.Asset) || row.Height > d.bounds.Height {
		t.Unread = true
	}
	return t
}

func numberKeyOf(account, asset uint64) string {
	return "account " + strconv.FormatUint(account, 10) + " asset " + strconv.FormatUint(asset, 10)
}

func (d *drill) v11Balances(ctx context.Context) error {
	if d.state == nil {
		return nil
	}
	l := d.cellsIn(&d.sums.v11)
	if l == nil {
		return nil
	}
	if err := d.money(ctx, func(row *TransferRow) {
		t := d.txOf(row)
		l.entry(&t, func(side int) string {
			return numberKeyOf([]uint64{uint64(row.Payer), uint64(row.Payee), 0}[side], uint64(row.Asset))
		})
	}); err != nil {
		return err
	}
	b := balances{hasher: d.hasher, accounts: d.accounts, assets: d.assets}
	for _, g := range d.genesis {
		if asset := d.assets.of(uint64(g.Asset)); portable(asset) {
			for id, of := range map[uint64]uint64{d.hasher.words(ofCell, b.account(g.Account), asset): asset, d.hasher.words(ofSupply, asset, 0): ^asset} {
				if c := l.of(id, of); c != nil {
					c.entries = wrapAdd(c.entries, g.Amount)
				}
			}
		}
	}
	if err := d.state.Balances(ctx, func(h StateBalance) error {
		if asset := d.assets.of(uint64(h.Asset)); portable(asset) {
			l.holds(d.hasher.words(ofCell, b.account(h.Account), asset), asset, h.Amount, func() string { return numberKeyOf(uint64(h.Account), uint64(h.Asset)) })
		}
		return nil
	}); err != nil {
		return err
	}
	if err := d.state.Assets(ctx, func(a *StateAsset) error {
		if asset := d.assets.of(uint64(a.Number)); portable(asset) {
			l.holds(d.hasher.words(ofSupply, asset, 0), ^asset, a.Supply, func() string { return supplyKey + a.Code })
		}
		return nil
	}); err != nil {
		return err
	}
	if l.correct(SideV11, d.corrections); !l.wrong() {
		return nil
	}
	if err := d.money(ctx, func(row *TransferRow) { t := d.txOf(row); l.look(&t) }); err != nil {
		return err
	}
	l.tell(d.finds, SideV11, TableBalances)
	return nil
}
