// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// v11Row is a row of V11's tables with what follows from it.
type v11Row struct {
	Tx
	imported bool
	fromV10  bool // by the sync
	listed   [2]uint64
}

// v11Cursor is how far V11's tables were read.
type v11Cursor struct {
	Imported uint64 `json:"imported"` // number of the last row
	Done     bool   `json:"done"`     // all of them
	Seq      uint64 `json:"seq"`
	Height   uint64 `json:"height"`
	Batch    uint32 `json:"batch"`
	Item     uint32 `json:"item"`
	InBlock  uint64 `json:"in_block"`
	Rows     uint64 `json:"rows"`
}

type v11Batch struct {
	rows []v11Row
	end  v11Cursor
}

// v11Reader reads V11's tables in order: the copied history, then the index up to a height. It checks what the tables say of themselves.
type v11Reader struct {
	rows     Rows
	meta     RowsMeta
	upTo     uint64 // height
	hasher   hasher
	accounts *lookup
	assets   *lookup
	finds    *Findings
	full     chan *v11Batch
	empty    chan *v11Batch
	at       v11Cursor

	blocks  []BlockRow // read ahead
	blockAt int
	noBlock bool // there are no more
	held    bool // a portable asset was put on hold
	// timeOf is the time of a block as V10 has it, in ms; false: it has not.
	timeOf func(height uint64) (ms uint64, known bool)
	times  map[uint64]bool // blocks whose time is wrong
}

func newV11Reader(rows Rows, meta RowsMeta, upTo uint64, h hasher, accounts, assets *numbers, finds *Findings, from v11Cursor) *v11Reader {
	r := &v11Reader{rows: rows, meta: meta, upTo: upTo, hasher: h, accounts: accounts.reader(), assets: assets.reader(), finds: finds, at: from}
	r.times = map[uint64]bool{}
	r.timeOf = func(uint64) (uint64, bool) { return 0, false }
	r.full, r.empty = make(chan *v11Batch, 2), make(chan *v11Batch, 4)
	for range cap(r.empty) {
		r.empty <- &v11Batch{rows: make([]v11Row, 0, batchRows)}
	}
	return r
}

func (r *v11Reader) run(ctx context.Context) error {
	defer close(r.full)
	if r.meta.Copied && !r.at.Done {
		if err := r.imported(ctx); err != nil {
			return err
		}
	}
	r.at.Done = true
	return r.transfers(ctx)
}

func (r *v11Reader) get(ctx context.Context) (*v11Batch, error) {
	select {
	case b := <-r.empty:
		b.rows = b.rows[:0]
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *v11Reader) put(ctx context.Context, b *v11Batch) error {
	b.end = r.at
	select {
	case r.full <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *v11Reader) imported(ctx context.Context) error {
	buf := make([]ImportedRow, batchRows)
	for {
		n, err := r.rows.Imported(ctx, r.at.Imported, buf)
		if err != nil {
			return err
		}
		if n == 0 {
			return r.accounts.err
		}
		b, err := r.get(ctx)
		if err != nil {
			return err
		}
		for i := range buf[:n] {
			row := &buf[i]
			if row.Seq != r.at.Imported+1 {
				r.gap(TableImported, r.at.Imported+1, row.Seq)
			}
			r.at.Imported = row.Seq
			y := v11Row{imported: true}
			y.Tx = Tx{Ms: row.Ms, Round: row.Round, Place: row.Place, Kind: row.Kind, Outcome: row.Outcome, Amount: row.Amount}
			r.damaged(&y.Tx, row.Damaged, TableImported, row.Seq)
			r.parties(&y.Tx, row.Payer, row.Payee, row.Asset)
			b.rows = append(b.rows, y)
		}
		if err := r.put(ctx, b); err != nil {
			return err
		}
	}
}

func (r *v11Reader) gap(table string, from, to uint64) {
	if from > to { // out of order is said elsewhere
		return
	}
	r.finds.Add(Finding{Class: classGap, Side: SideV11, Table: table, Key: strconv.FormatUint(from, 10), Found: "next is " + strconv.FormatUint(to, 10)})
}

func (r *v11Reader) damaged(t *Tx, why, table string, seq uint64) {
	if why != "" {
		t.Unread = true
		r.finds.Add(Finding{Class: classUnreadable, Side: SideV11, Table: table, Key: strconv.FormatUint(seq, 10), Found: why})
	}
}

// parties puts in hashes for numbers. A number that nobody has gets a hash of its own.
func (r *v11Reader) parties(t *Tx, payer, payee, asset uint32) {
	t.From, t.To, t.Asset = r.account(payer), r.account(payee), 0
	if asset != 0 {
		if t.Asset = r.assets.of(uint64(asset)); t.Asset == 0 {
			t.Asset = r.hasher.nativeAsset(uint64(asset))
		}
	}
	r.hasher.cellsOf(t)
}

func (r *v11Reader) account(no uint32) uint64 {
	if no == 0 {
		return 0
	}
	if h := r.accounts.of(uint64(no)); h != 0 {
		return h
	}
	return r.hasher.nativeAccount(uint64(no))
}

// nativeAccount stands for an account without a V10 name. Hashes of names are odd.
func (h hasher) nativeAccount(no uint64) uint64 { return h.words(ofNative, no, 0)&^1 | 2 }

// nativeAsset stands for an asset that V10 does not have.
func (h hasher) nativeAsset(no uint64) uint64 { return h.words(ofUnlisted, no, 0)&^1 | 2 }

// portable reports whether V10 has an asset too, by its hash.
func portable(asset uint64) bool { return asset&1 != 0 }

func (r *v11Reader) transfers(ctx context.Context) error {
	buf := make([]TransferRow, batchRows)
	for {
		n, err := r.rows.Transfers(ctx, r.at.Seq, buf)
		if err != nil {
			return err
		}
		b, err := r.get(ctx)
		if err != nil {
			return err
		}
		for i := range buf[:n] {
			if buf[i].Seq >= r.meta.Seq {
				n = 0 // the rest came after the run began
				break
			}
			if err := r.transfer(ctx, &buf[i], b); err != nil {
				return err
			}
		}
		if err := r.put(ctx, b); err != nil {
			return err
		}
		if n == 0 {
			return r.end(ctx)
		}
	}
}

// transfer takes a row of the index.
func (r *v11Reader) transfer(ctx context.Context, row *TransferRow, b *v11Batch) error {
	if row.Seq != r.at.Seq+1 && !(r.at.Seq == 0 && r.meta.First == row.Seq && r.meta.Gaps > 0) {
		r.gap(TableIndex, r.at.Seq+1, row.Seq)
	}
	r.at.Seq = row.Seq
	r.at.Rows++
	time, err := r.order(ctx, row)
	if err != nil {
		return err
	}
	y := v11Row{fromV10: row.FromV10}
	y.Tx = Tx{Kind: row.Kind, Outcome: row.Outcome, Amount: row.Amount, Reference: row.Reference}
	if row.FromV10 {
		y.Ms, y.Round, y.Place = row.Ms, row.Round, row.Place
	} else {
		y.Ms, y.Round, y.Place = v11ID(time, row.Height, row.Batch&127, row.Item&8191)
	}
	r.damaged(&y.Tx, row.Damaged, TableIndex, row.Seq)
	r.parties(&y.Tx, row.Payer, row.Payee, row.Asset)
	if row.Payer != 0 {
		y.listed[0] = r.hasher.words(ofListed, uint64(row.Payer), row.Seq)
	}
	if row.Payee != 0 && row.Payee != row.Payer {
		y.listed[1] = r.hasher.words(ofListed, uint64(row.Payee), row.Seq)
	}
	y.Stray = row.Height > r.upTo
	r.held = r.held || row.Kind == kindHold && row.Outcome == uint8(chain.OK) && portable(y.Asset)
	b.rows = append(b.rows, y)
	return r.accounts.err
}

// order checks that a row stands behind the one before, and lies in a block; it returns the block's time.
func (r *v11Reader) order(ctx context.Context, row *TransferRow) (timeUs uint64, err error) {
	key := fmt.Sprintf("%d.%d.%d", row.Height, row.Batch, row.Item)
	c := &r.at
	switch {
	case row.Height < c.Height || row.Height == c.Height && (row.Batch < c.Batch || row.Batch == c.Batch && row.Item < c.Item):
		r.finds.Add(Finding{Class: classReordered, Side: SideV11, Table: TableIndex, Key: key})
		return row.TimeUs, nil
	case row.Height == c.Height && row.Batch == c.Batch && row.Item == c.Item && c.Rows > 1:
		r.finds.Add(Finding{Class: classDuplicated, Side: SideV11, Table: TableIndex, Key: key})
	case row.Height != c.Height:
		c.InBlock = 0
	}
	c.Height, c.Batch, c.Item = row.Height, row.Batch, row.Item
	c.InBlock++
	block, err := r.block(ctx, row.Height)
	switch {
	case err != nil || block == nil && row.Height > r.upTo:
		return row.TimeUs, err
	case block == nil:
		r.finds.Add(Finding{Class: classHeight, Side: SideV11, Table: TableIndex, Key: key})
		return row.TimeUs, nil
	case block.TimeUs != row.TimeUs && r.wrongBlock(block, row):
		return row.TimeUs, nil
	case block.TimeUs != row.TimeUs:
		r.finds.Add(Finding{
			Class: timeClass(block.TimeUs/1000, row.TimeUs/1000), Side: SideV11, Table: TableIndex, Key: key,
			Expected: strconv.FormatUint(block.TimeUs, 10), Found: strconv.FormatUint(row.TimeUs, 10),
		})
	}
	if c.InBlock == block.Items+1 {
		r.finds.Add(Finding{Class: classItems, Side: SideV11, Table: TableIndexBlocks, Key: strconv.FormatUint(row.Height, 10), Found: strconv.FormatUint(block.Items, 10)})
	}
	return block.TimeUs, nil
}

// wrongBlock reports whether a time is wrong in a block rather than in its row: V10 knows both.
func (r *v11Reader) wrongBlock(block *BlockRow, row *TransferRow) bool {
	ms, known := r.timeOf(block.Height)
	if !known || ms != row.TimeUs/1000 || ms == block.TimeUs/1000 {
		return false
	}
	if len(r.times) < lookingBack {
		r.times[block.Height] = true
	}
	r.finds.Add(Finding{
		Class: classTime, Side: SideV11, Table: TableIndexBlocks, Key: strconv.FormatUint(block.Height, 10),
		Expected: strconv.FormatUint(row.TimeUs, 10), Found: strconv.FormatUint(block.TimeUs, 10),
	})
	return true
}

// block is the block of a height at or above those asked for before, nil: there is none.
func (r *v11Reader) block(ctx context.Context, height uint64) (*BlockRow, error) {
	for !r.noBlock {
		for ; r.blockAt < len(r.blocks); r.blockAt++ {
			if b := &r.blocks[r.blockAt]; b.Height >= height {
				if b.Height == height {
					return b, nil
				}
				return nil, nil
			}
		}
		if r.blocks == nil {
			r.blocks = make([]BlockRow, batchRows)
		}
		r.blocks, r.blockAt = r.blocks[:cap(r.blocks)], 0
		n, err := r.rows.Blocks(ctx, height-1, r.blocks)
		if err != nil {
			return nil, err
		}
		r.blocks, r.noBlock = r.blocks[:n], n == 0
	}
	return nil, nil
}

// end compares with what the tables say of themselves.
func (r *v11Reader) end(context.Context) error {
	if r.at.Seq+1 != r.meta.Seq {
		r.finds.Add(Finding{
			Class: classCount, Side: SideV11, Table: TableIndexMeta, Key: "seq", Expected: strconv.FormatUint(r.at.Seq+1, 10), Found: strconv.FormatUint(r.meta.Seq, 10),
		})
	}
	if !r.meta.Copied {
		return nil
	}
	if r.at.Imported != r.meta.CopiedRows {
		r.finds.Add(Finding{
			Class: classCount, Side: SideV11, Table: TableImportMeta, Key: "rows", Expected: strconv.FormatUint(r.at.Imported, 10), Found: strconv.FormatUint(r.meta.CopiedRows, 10),
		})
	}
	if !r.meta.Finished {
		r.finds.Add(Finding{Class: classIncomplete, Side: SideV11, Table: TableImportMeta, Key: "finished"})
	}
	return nil
}
