// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// sums are what a run adds up, and takes away again what must be equal to it.
type sums struct {
	v10     Sketch // entries of V10's transactions, less its balances
	v11     Sketch // entries of the copied history and of V11's index, less its balances
	parties Marks  // rows by party that V10's transactions ask for, less those that are there
	applied Marks  // the same of V11's transactions
	listed  Marks  // the same of the index by account
	held    Marks  // V10's balances, less the rows by account of who ever held what
	hashes  Marks  // V10's rounds, less its rows by hash
}

// kept is what progress keeps.
type kept interface {
	append([]byte) []byte
	read([]byte) ([]byte, error)
}

func (s *sums) all() []kept {
	return []kept{&s.v10, &s.v11, &s.parties, &s.applied, &s.listed, &s.held, &s.hashes}
}

// bounds say which transactions are to be on both sides.
type bounds struct {
	Round     uint64 `json:"round"`      // V10's rounds up to this one
	Copied    uint64 `json:"copied"`     // V10's rounds up to this one lie in the copied history; with HasCopy
	HasCopy   bool   `json:"has_copy"`   // there is one
	From      uint64 `json:"from"`       // V11's blocks from this one
	Applied   uint64 `json:"applied"`    // up to this one; 0: V10 applied none
	Height    uint64 `json:"height"`     // of V11's state and index
	Compare   bool   `json:"compare"`    // V11 has the round of a barrier, so there is something to compare
	RoundSeen bool   `json:"round_seen"` // Round is one
}

// txCursor is how far the transactions were compared.
type txCursor struct {
	Round uint64    `json:"round"` // V10's next transaction
	Place uint32    `json:"place"`
	Next  []byte    `json:"next"` // key of the next of V11's that V10 has; empty: the first
	V11   v11Cursor `json:"v11"`
	Pairs uint64    `json:"pairs"`
	Rows  uint64    `json:"rows"` // of V10's, both kinds
}

// comparison compares transactions.
type comparison struct {
	kv     KV
	bounds bounds
	sums   *sums
	finds  *Findings
	step   func(ctx context.Context, rows int) error // after so many rows: pace and progress
	save   func(*txCursor) error                     // now and then
	every  uint64                                    // rows between two saves
	counts *v10Counts

	own, applied pairing
	saved        uint64
	v11          *v11Reader
	at           txCursor
}

// run compares all of it, from a cursor on.
func (c *comparison) run(ctx context.Context, h hasher, from txCursor) error {
	c.at = from
	own := &roundsReader{kv: c.kv, names: names{h}, finds: c.finds, out: newBatches(), from: from.Round}
	applied := &appliedReader{kv: c.kv, names: names{h}, finds: c.finds, out: newBatches(), from: from.Next}
	c.pair(own, applied)
	c.own.unread = func(y *Tx) { markAs(names{h}, &c.sums.parties, y) }
	c.applied.unread = func(y *Tx) { markAs(names{h}, &c.sums.applied, y) }
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return own.run(ctx) })
	work.Go(func() error { return applied.run(ctx) })
	work.Go(func() error { return c.v11.run(ctx) })
	work.Go(func() error { return c.compare(ctx) })
	return work.Wait()
}

func (c *comparison) pair(own *roundsReader, applied *appliedReader) {
	from := place{c.at.Round, c.at.Place}
	c.own = pairing{
		v10: newStream(own.out, func(t *Tx) {
			if placeOf(t).less(from) {
				return
			}
			c.counts.Own++
			c.refused(t)
			t.enter(&c.sums.v10)
			mark(&c.sums.parties, t)
		}),
		finds: c.finds, table: TableTransactions, there: thereIn(c.kv, ownKey),
		until: func(t *Tx) bool {
			return c.bounds.Compare && c.bounds.RoundSeen && t.Round <= c.bounds.Round && !placeOf(t).less(from)
		},
		wanted: c.wanted,
		where: func(t *Tx) string {
			if c.bounds.HasCopy && t.Round <= c.bounds.Copied {
				return TableImported
			}
			return TableIndex
		},
	}
	c.applied = pairing{
		v10: newStream(applied.out, func(t *Tx) {
			c.counts.Applied++
			c.refused(t)
			t.enter(&c.sums.v10)
			mark(&c.sums.applied, t)
		}),
		finds: c.finds, table: TableApplied, apply: true, there: thereIn(c.kv, appliedKey),
		until:  func(t *Tx) bool { return c.bounds.Compare && t.Round >= c.bounds.From && t.Round <= c.bounds.Applied },
		wanted: func(t *Tx) bool { return isPayment(t.Kind) && t.Outcome == uint8(chain.OK) },
		where:  func(*Tx) string { return TableIndex },
	}
}

func (c *comparison) refused(t *Tx) {
	if t.Outcome != uint8(chain.OK) {
		c.counts.Refused++
	}
}

func (p place) less(q place) bool {
	return p.round < q.round || p.round == q.round && p.place < q.place
}

func isPayment(kind uint8) bool {
	return kind == kindTransfer || kind == kindIssue || kind == kindRedeem
}

func mark(s *Marks, t *Tx) {
	if t.FromRow != 0 {
		s.Mark(t.FromRow)
	}
	if t.ToRow != 0 {
		s.Mark(t.ToRow)
	}
}

// markAs counts the rows by party of a row that cannot be read, as V11 has it.
func markAs(n names, s *Marks, y *Tx) {
	n.rowsOf(y)
	mark(s, y)
}

// wanted says whether V11's tables have a row of a transaction of V10's: all of the copied history, and of what came later the payments
// and the refusals, but for those that were no last word.
func (c *comparison) wanted(t *Tx) bool {
	if t.Unread || c.bounds.HasCopy && t.Round <= c.bounds.Copied {
		return true
	}
	o := chain.Outcome(t.Outcome)
	if o != chain.OK {
		return o != chain.NotHome && o != chain.Duplicate
	}
	return isPayment(t.Kind)
}

// compare takes V11's rows one after the other, each with the row behind it.
func (c *comparison) compare(ctx context.Context) error {
	for {
		var b *v11Batch
		select {
		case b = <-c.v11.full:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b == nil {
			break
		}
		for i := range b.rows {
			var next *v11Row
			if i+1 < len(b.rows) {
				next = &b.rows[i+1]
			}
			if err := c.row(ctx, &b.rows[i], next); err != nil {
				return err
			}
		}
		n, end := len(b.rows), b.end
		c.v11.empty <- b
		if err := c.pace(ctx, n, end); err != nil {
			return err
		}
	}
	if err := errors.Join(c.own.drain(ctx), c.applied.drain(ctx)); err != nil {
		return err
	}
	c.count()
	return c.step(ctx, 0)
}

// count moves what the pairings counted into the cursor.
func (c *comparison) count() {
	c.at.Pairs += c.own.Pairs + c.applied.Pairs
	c.own.Pairs, c.applied.Pairs = 0, 0
}

func tableOf(y *v11Row) string {
	if y.imported {
		return TableImported
	}
	return TableIndex
}

// row takes one of V11's rows.
func (c *comparison) row(ctx context.Context, y, next *v11Row) error {
	if !y.Stray && portable(y.Asset) {
		y.enter(&c.sums.v11)
	}
	if !y.imported {
		for _, l := range y.listed {
			if l != 0 {
				c.sums.listed.Mark(l)
			}
		}
	}
	switch {
	case y.Stray: // above the height that is compared
		return nil
	case y.fromV10 && y.Round == 0: // an answer of V10's that is no transaction there
		return nil
	case y.imported || y.fromV10:
		return c.own.feed(ctx, &y.Tx, sameOrder(y, next, true), tableOf(y))
	case isPayment(y.Kind) && y.Outcome == uint8(chain.OK) && portable(y.Asset):
		return c.applied.feed(ctx, &y.Tx, sameOrder(y, next, false), TableIndex)
	}
	return nil
}

// sameOrder is the row behind one, if it is of the same order.
func sameOrder(y, next *v11Row, v10 bool) *Tx {
	if next == nil || y.imported != next.imported || (next.imported || next.fromV10) != v10 || !v10 && !isPayment(next.Kind) {
		return nil
	}
	return &next.Tx
}

// pace takes a rest if one is asked for, and saves now and then.
func (c *comparison) pace(ctx context.Context, rows int, end v11Cursor) error {
	if err := c.step(ctx, rows); err != nil {
		return err
	}
	c.at.V11 = end
	done := c.own.v10.count + c.applied.v10.count + end.Rows + end.Imported
	if done-c.saved < c.every {
		return nil
	}
	c.saved = done
	if err := errors.Join(c.own.settle(), c.applied.settle()); err != nil {
		return err
	}
	own, err := c.own.v10.peek(ctx)
	if err != nil || own == nil {
		return err
	}
	c.at.Round, c.at.Place = own.Round, own.Place
	applied, err := c.applied.v10.peek(ctx)
	if err != nil {
		return err
	}
	if c.at.Next = []byte{keyApplied + 1}; applied != nil {
		c.at.Next = appliedKey(applied)
	}
	c.count()
	return c.save(&c.at)
}
