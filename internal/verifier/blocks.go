// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// blocks compares rounds and blocks: V10's rounds with the copied ones and with its rows by hash, V11's with those that V10 has, and
// V10's totals and idempotency keys with what is there.
type blocks struct {
	kv     KV
	rows   Rows
	meta   RowsMeta
	bounds *bounds
	hasher hasher
	finds  *Findings
	sums   *sums
	step   func(ctx context.Context, rows int) error
	Pairs  uint64
	times  map[uint64]bool // blocks whose time in the index is known to be wrong
	last   RoundRow        // of V10's
	rounds uint64
}

// pieces reads a table in pieces, one row after the other.
type pieces[T any] struct {
	buf  []T
	at   int
	end  bool
	more func(last *T, into []T) (int, error)
}

func (p *pieces[T]) peek() (*T, error) {
	if p.at < len(p.buf) {
		return &p.buf[p.at], nil
	}
	if p.end {
		return nil, nil
	}
	var last *T
	if len(p.buf) > 0 {
		copied := p.buf[len(p.buf)-1]
		last = &copied
	}
	if cap(p.buf) == 0 {
		p.buf = make([]T, batchRows)
	}
	p.buf = p.buf[:cap(p.buf)]
	n, err := p.more(last, p.buf)
	if err != nil {
		return nil, err
	}
	p.buf, p.at, p.end = p.buf[:n], 0, n == 0
	if n == 0 {
		return nil, nil
	}
	return &p.buf[0], nil
}

func (b *blocks) run(ctx context.Context) error {
	if err := b.v10Rounds(ctx); err != nil {
		return err
	}
	if err := b.byHash(ctx); err != nil {
		return err
	}
	if err := b.applied(ctx); err != nil {
		return err
	}
	return b.keys(ctx)
}

// v10Rounds compares V10's rounds with the copied ones. That they follow each other, and have their transactions' hash, is compared
// where those are read.
func (b *blocks) v10Rounds(ctx context.Context) error {
	copied := &pieces[RoundRow]{end: !b.meta.Copied || !b.bounds.Compare, more: func(last *RoundRow, into []RoundRow) (int, error) {
		from := uint64(0)
		if last != nil {
			from = last.Number + 1
		}
		return b.rows.ImportedRounds(ctx, from, into)
	}}
	seen := uint64(0)
	err := walk(ctx, b.kv, Consensus, []byte{keyRound}, []byte{keyRound + 1}, b.step, func(key, row []byte) error {
		no, ok := numberKey(key)
		var r RoundRow
		if !ok || !scanRound(row, &r) {
			return b.unread(copied, no, &seen)
		}
		r.Number = no
		b.sums.hashes.Mark(b.hasher.words(ofBlock, b.hasher.bytes(ofBlock, r.Hash[:]), no))
		b.last = r
		b.rounds++
		return b.copiedRound(copied, &r, &seen)
	})
	for err == nil {
		var c *RoundRow
		if c, err = copied.peek(); c == nil {
			break
		}
		seen++
		copied.at++
		b.finds.Add(Finding{Class: classExtra, Side: SideV11, Table: TableImportRounds, Key: strconv.FormatUint(c.Number, 10)})
	}
	if err == nil && b.meta.Copied && b.bounds.Compare && seen != b.meta.Rounds {
		b.finds.Add(Finding{
			Class: classCount, Side: SideV11, Table: TableImportMeta, Key: "rounds", Expected: strconv.FormatUint(seen, 10), Found: strconv.FormatUint(b.meta.Rounds, 10),
		})
	}
	return err
}

// unread passes the copied round of one of V10's that cannot be read, which was said.
func (b *blocks) unread(copied *pieces[RoundRow], no uint64, seen *uint64) error {
	c, err := copied.peek()
	if c != nil && c.Number == no {
		copied.at++
		*seen++
	}
	return err
}

// copiedRound compares a round of V10's with the copied one.
func (b *blocks) copiedRound(copied *pieces[RoundRow], r *RoundRow, seen *uint64) error {
	for {
		c, err := copied.peek()
		switch {
		case err != nil:
			return err
		case c == nil || c.Number > r.Number:
			if b.bounds.Compare && b.bounds.HasCopy && r.Number <= b.bounds.Copied {
				b.finds.Add(Finding{Class: classMissing, Side: SideV11, Table: TableImportRounds, Key: strconv.FormatUint(r.Number, 10)})
			}
			return nil
		case c.Number < r.Number:
			b.finds.Add(Finding{Class: classExtra, Side: SideV11, Table: TableImportRounds, Key: strconv.FormatUint(c.Number, 10)})
			*seen++
			copied.at++
			continue
		}
		*seen++
		copied.at++
		b.Pairs++
		b.sameRound(r, c)
		return nil
	}
}

func (b *blocks) sameRound(r, c *RoundRow) {
	add := func(class, expected, found string) {
		b.finds.Add(Finding{Class: class, Side: SideV11, Table: TableImportRounds, Key: strconv.FormatUint(r.Number, 10), Expected: expected, Found: found})
	}
	if c.Damaged != "" {
		add(classUnreadable, "", c.Damaged)
		return
	}
	if r.Hash != c.Hash {
		add(classHash, hex32(r.Hash), hex32(c.Hash))
	}
	if r.Previous != c.Previous {
		add(classPrevious, hex32(r.Previous), hex32(c.Previous))
	}
	if r.Ms != c.Ms {
		add(classTime, strconv.FormatUint(r.Ms, 10), strconv.FormatUint(c.Ms, 10))
	}
	if r.Transactions != c.Transactions {
		add(classCount, strconv.FormatUint(uint64(r.Transactions), 10), strconv.FormatUint(uint64(c.Transactions), 10))
	}
	if r.Leader != c.Leader {
		add(classLeader, r.Leader, c.Leader)
	}
	if !slices.Equal(r.Votes, c.Votes) {
		add(classVotes, fmt.Sprint(len(r.Votes)), fmt.Sprint(len(c.Votes)))
	}
}

// byHash takes V10's rows by hash away from its rounds.
func (b *blocks) byHash(ctx context.Context) error {
	return walk(ctx, b.kv, Consensus, []byte{keyHash}, []byte{keyHash + 1}, b.step, func(key, row []byte) error {
		if len(key) != 33 || len(row) != 8 {
			b.finds.Add(Finding{Class: classExtra, Side: SideV10, Table: TableHashes, Key: fmt.Sprintf("%x", key[1:])})
			return nil
		}
		b.sums.hashes.Unmark(b.hasher.words(ofBlock, b.hasher.bytes(ofBlock, key[1:]), be64(row)))
		return nil
	})
}

// applied compares the blocks that V10 has of V11 with those of the index, and checks the index's.
func (b *blocks) applied(ctx context.Context) error {
	last := uint64(0)
	if b.meta.First > 1 && b.meta.Gaps > 0 {
		last = b.bounds.From // what was recycled is not there
	}
	index := &pieces[BlockRow]{end: !b.bounds.Compare, more: func(row *BlockRow, into []BlockRow) (int, error) {
		if row != nil {
			last = row.Height
		}
		return b.rows.Blocks(ctx, last, into)
	}}
	w := &blockWalk{blocks: b, index: index, times: b.times}
	err := walk(ctx, b.kv, Consensus, []byte{keyAppliedBlock}, []byte{keyAppliedBlock + 1}, b.step, func(key, row []byte) error {
		no, ok := numberKey(key)
		var r RoundRow
		if !ok || !scanRound(row, &r) {
			b.finds.Add(Finding{Class: whyUnread(row), Side: SideV10, Table: TableAppliedBlock, Key: fmt.Sprintf("%d", no)})
			return nil
		}
		r.Number = no
		return w.block(&r)
	})
	if err != nil {
		return err
	}
	w.settle(nil)
	_, err = w.skip(b.bounds.Height + 1)
	return err
}

// blockWalk walks V11's blocks beside those that V10 has.
type blockWalk struct {
	*blocks
	index  *pieces[BlockRow]
	height uint64 // of the index's block before
	hash   [32]byte
	before uint64 // of V10's
	chain  [32]byte
	odd    *Finding // a hash of V10's that is not the index's
	times  map[uint64]bool
}

// skip passes the index's blocks below a height, and returns the one that has it. Each is checked to follow the one before.
func (w *blockWalk) skip(height uint64) (*BlockRow, error) {
	for {
		row, err := w.index.peek()
		if err != nil || row == nil || row.Height > height {
			return nil, err
		}
		if row.Height <= w.bounds.Height && w.height != 0 && row.Height != w.height+1 {
			w.finds.Add(Finding{Class: classGap, Side: SideV11, Table: TableIndexBlocks, Key: strconv.FormatUint(w.height+1, 10), Found: "next is " + strconv.FormatUint(row.Height, 10)})
		}
		w.height, w.hash = row.Height, row.Hash
		w.index.at++
		if row.Height == height {
			return row, nil
		}
		if w.inReach(row.Height) {
			w.finds.Add(Finding{Class: classMissing, Side: SideV10, Table: TableAppliedBlock, Key: strconv.FormatUint(row.Height, 10)})
		}
	}
}

// inReach says whether a block is to be on both sides.
func (w *blockWalk) inReach(height uint64) bool {
	return w.bounds.Compare && height >= w.bounds.From && height <= w.bounds.Applied
}

// block compares a block that V10 has.
func (w *blockWalk) block(r *RoundRow) error {
	key := strconv.FormatUint(r.Number, 10)
	w.settle(r)
	if w.before != 0 && r.Number == w.before+1 && r.Previous != w.chain {
		w.finds.Add(Finding{Class: classPrevious, Side: SideV10, Table: TableAppliedBlock, Key: key, Expected: hex32(w.chain), Found: hex32(r.Previous)})
	}
	w.before, w.chain = r.Number, r.Hash
	if !w.inReach(r.Number) {
		return nil
	}
	row, err := w.skip(r.Number)
	if err != nil {
		return err
	}
	if row == nil {
		if w.meta.Gaps == 0 {
			w.finds.Add(Finding{Class: classExtra, Side: SideV10, Table: TableAppliedBlock, Key: key})
		}
		return nil
	}
	w.Pairs++
	if row.Hash != r.Hash {
		w.odd = &Finding{Class: classHash, Side: SideV10, Table: TableAppliedBlock, Key: key, Expected: hex32(row.Hash), Found: hex32(r.Hash)}
	}
	if row.TimeUs/1000 != r.Ms && !w.times[r.Number] {
		w.finds.Add(Finding{Class: classTime, Side: SideV10, Table: TableAppliedBlock, Key: key, Expected: strconv.FormatUint(row.TimeUs/1000, 10), Found: strconv.FormatUint(r.Ms, 10)})
	}
	return nil
}

// settle says whose a hash is wrong that the two have otherwise: the block behind it names it. r is that block, nil: there is none.
func (w *blockWalk) settle(r *RoundRow) {
	f := w.odd
	if f == nil {
		return
	}
	if w.odd = nil; r != nil && r.Number == w.before+1 && r.Previous == w.chain {
		f.Side, f.Table, f.Expected, f.Found = SideV11, TableIndexBlocks, f.Found, f.Expected
	}
	w.finds.Add(*f)
}

// v10Totals are V10's own counts.
type v10Totals struct {
	Round        uint64 `json:"round"`
	Ms           uint64 `json:"ms"`
	Hash         string `json:"block_hash"`
	Accounts     uint64 `json:"accounts"`
	Assets       uint64 `json:"assets"`
	Transactions uint64 `json:"transactions"`
	Refused      uint64 `json:"refused"`
	Keys         uint64 `json:"keys"`
	Applied      uint64 `json:"applied"`
}

// totals compares V10's counts with what was counted.
func (b *blocks) totals(accounts, assets, transactions, refused, applied uint64) error {
	row, err := b.kv.Get(Meta, []byte("totals"))
	if fault.Is(err, fault.NotFound) {
		b.finds.Add(Finding{Class: classMissing, Side: SideV10, Table: TableTotals, Key: "totals"})
		return nil
	}
	var t v10Totals
	if err != nil {
		return err
	}
	if json.Unmarshal(row, &t) != nil {
		b.finds.Add(Finding{Class: whyUnread(row), Side: SideV10, Table: TableTotals, Key: "totals"})
		return nil
	}
	for _, c := range []struct {
		field     string
		want, got uint64
	}{
		{"round", b.last.Number, t.Round}, {"accounts", accounts, t.Accounts}, {"assets", assets, t.Assets},
		{"transactions", transactions, t.Transactions}, {"refused", refused, t.Refused}, {"applied", applied, t.Applied},
	} {
		if c.want != c.got {
			b.finds.Add(Finding{Class: classCount, Side: SideV10, Table: TableTotals, Key: c.field, Expected: strconv.FormatUint(c.want, 10), Found: strconv.FormatUint(c.got, 10)})
		}
	}
	if want := "0x" + hex32(b.last.Hash); want != t.Hash && b.rounds > 0 {
		b.finds.Add(Finding{Class: classHash, Side: SideV10, Table: TableTotals, Key: "block_hash", Expected: want, Found: t.Hash})
	}
	return nil
}

// keys checks that every idempotency key leads to a transaction and has an end.
func (b *blocks) keys(ctx context.Context) error {
	return walk(ctx, b.kv, Meta, []byte{keyUsed}, []byte{keyUsed + 1}, b.step, func(key, row []byte) error {
		var k struct {
			Round uint64 `json:"round"`
			Place uint32 `json:"place"`
			Ms    uint64 `json:"ms"`
		}
		name := fmt.Sprintf("%x", key[1:min(len(key), 9)])
		if json.Unmarshal(row, &k) != nil {
			b.finds.Add(Finding{Class: whyUnread(row), Side: SideV10, Table: TableKeys, Key: name})
			return nil
		}
		for _, lead := range []struct {
			class  string
			family Family
			key    []byte
		}{
			{classTransaction, Transactions, ownKey(&Tx{Round: k.Round, Place: k.Place})},
			{classAgeing, Meta, append(append(roundKey(keyAge, k.Ms), roundKey(0, k.Round)[1:]...), key[1:]...)},
		} {
			_, err := b.kv.Get(lead.family, lead.key)
			if fault.Is(err, fault.NotFound) {
				b.finds.Add(Finding{Class: lead.class, Side: SideV10, Table: TableKeys, Key: name})
			} else if err != nil {
				return errors.Join(err)
			}
		}
		return nil
	})
}
