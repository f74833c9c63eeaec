// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// contents is what an index says, to be changed.
type contents struct {
	position index.Position
	blocks   []index.Block
	gaps     []index.Gap
	rows     []history.Transfer
	err      error // at the end of the rows
}

func (c *contents) Position() index.Position              { return c.position }
func (c *contents) Blocks() iter.Seq2[index.Block, error] { return values(c.blocks) }
func (c *contents) Gaps() iter.Seq2[index.Gap, error]     { return values(c.gaps) }

func (c *contents) Transfers() iter.Seq2[*history.Transfer, error] {
	return func(yield func(*history.Transfer, error) bool) {
		var shared history.Transfer
		for _, r := range c.rows {
			shared = r
			if !yield(&shared, nil) {
				return
			}
		}
		if c.err != nil {
			yield(nil, c.err)
		}
	}
}

func values[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// compare is what a comparison finds, as lines.
func compare(t testing.TB, l *ledger, c *contents, head chain.Height) []string {
	t.Helper()
	var found []string
	must(t, index.Compare(t.Context(), c, l.history, head, func(d index.Difference) { found = append(found, d.Where+": "+d.What) }, func(chain.Height) {}))
	return found
}

// compared makes a chain of 12 blocks and the true contents of its index, which ends in the middle of block 11.
func compared(t testing.TB) (*ledger, *contents) {
	t.Helper()
	l := newLedger(t)
	for i := range 12 {
		switch i % 3 {
		case 0:
			l.block(legs(3), legs(2))
		case 1:
			l.block()
		default:
			l.block(legs(1), content{txs: []chain.Body{
				&chain.Transfer{To: 4, Asset: 1, Amount: chain.Units(5)}, &chain.OpenAccounts{Count: 1}, &chain.Void{Hold: chain.Hash{1}},
				&chain.Issue{To: 5, Asset: 1, Amount: chain.Units(7)},
			}}, legs(2))
		}
	}
	return l, l.contents(index.Position{Height: 12, Batch: 1})
}

// contents are those of an index that has all up to a position.
func (l *ledger) contents(to index.Position) *contents {
	c := &contents{position: to}
	for h := chain.Height(1); h <= to.Height && h <= l.head(); h++ {
		if h < to.Height {
			c.blocks = append(c.blocks, l.blockRow(h))
		}
		for _, r := range l.transfers(h, h) {
			if (index.Position{Height: h, Batch: r.Index}).Less(to) {
				c.rows = append(c.rows, r)
			}
		}
	}
	return c
}

// row is the number of the row at a place.
func (c *contents) row(t testing.TB, h chain.Height, batch, item uint32) int {
	t.Helper()
	i := slices.IndexFunc(c.rows, func(r history.Transfer) bool { return r.Height == h && r.Index == batch && r.Item == item })
	if i < 0 {
		t.Fatalf("no row of height %d, batch %d, item %d", h, batch, item)
	}
	return i
}

// drop removes all of the heights from a position up to one, which lie in a gap then.
func (c *contents) drop(g index.Gap) {
	in := func(p index.Position) bool { return !p.Less(g.From) && p.Height < g.To }
	c.rows = slices.DeleteFunc(c.rows, func(r history.Transfer) bool { return in(index.Position{Height: r.Height, Batch: r.Index}) })
	c.blocks = slices.DeleteFunc(c.blocks, func(b index.Block) bool { return b.Height >= g.From.Height && b.Height < g.To })
	c.gaps = append(c.gaps, g)
}

// TestTrueIndex compares indexes that say the truth, as far as they reach and as far as the chain does.
func TestTrueIndex(t *testing.T) {
	l, c := compared(t)
	for _, batch := range []uint32{0, 1, 2, 3} {
		for h := chain.Height(1); h <= 13; h++ {
			if h < 13 && int(batch) > len(l.headers[h-1].Batches) || h == 13 && batch > 0 {
				continue
			}
			part := l.contents(index.Position{Height: h, Batch: batch})
			for _, head := range []chain.Height{0, 1, 5, 12} {
				if found := compare(t, l, part, head); len(found) > 0 {
					t.Fatalf("an index at %v of a chain at %d: %q", part.position, head, found)
				}
			}
		}
	}
	l.recycle(9)
	if found := compare(t, l, c, 12); len(found) > 0 {
		t.Errorf("payloads were recycled since: %q", found)
	}
	for _, g := range []index.Gap{gap(1, 0, 9), gap(3, 1, 9), gap(8, 0, 9), gap(2, 0, 5)} {
		gapped := c.clone()
		gapped.drop(g)
		if found := compare(t, l, gapped, 12); len(found) > 0 {
			t.Errorf("%v: %q", g, found)
		}
	}
}

func (c *contents) clone() *contents {
	k := *c
	k.blocks, k.gaps, k.rows = slices.Clone(c.blocks), slices.Clone(c.gaps), slices.Clone(c.rows)
	return &k
}

// TestLies changes what an index says. Heights 1 to 8 are recycled where recycled is set.
func TestLies(t *testing.T) {
	for _, c := range []struct {
		name     string
		recycled bool
		lie      func(c *contents, row func(h chain.Height, batch, item uint32) int)
		want     string
	}{
		{"id", false, func(c *contents, row rowOf) { c.rows[row(3, 0, 0)].ID[5] ^= 1 }, "height 3, batch 0, item 0: the id is"},
		{"payer", false, func(c *contents, row rowOf) { c.rows[row(1, 0, 1)].From++ }, "height 1, batch 0, item 1: the payer is"},
		{"payee", false, func(c *contents, row rowOf) { c.rows[row(1, 0, 1)].To++ }, "the payee is"},
		{"asset", false, func(c *contents, row rowOf) { c.rows[row(6, 1, 3)].Asset++ }, "height 6, batch 1, item 3: the asset is 2 in the index, 1 on the chain"},
		{"amount", false, func(c *contents, row rowOf) { c.rows[row(6, 1, 0)].Amount.Hi++ }, "the amount is 18446744073709551621 in the index, 5 on the chain"},
		{"kind", false, func(c *contents, row rowOf) { c.rows[row(6, 1, 2)].Kind = history.KindPost }, "the kind is post in the index, void on the chain"},
		{"outcome", false, func(c *contents, row rowOf) { c.rows[row(12, 0, 0)].Outcome = 9 }, "height 12, batch 0, item 0: the outcome is"},
		{"reference", false, func(c *contents, row rowOf) { c.rows[row(6, 1, 2)].Reference[9]++ }, "the reference is"},
		{"time", false, func(c *contents, row rowOf) { c.rows[row(4, 1, 1)].TimeUs++ }, "the time is"},
		{"missing", false, func(c *contents, row rowOf) { i := row(4, 0, 1); c.rows = slices.Delete(c.rows, i, i+1) }, "height 4, batch 0, item 1: the index does not have this transfer"},
		{"last missing", false, func(c *contents, row rowOf) { c.rows = c.rows[:len(c.rows)-1] }, "height 12, batch 0, item 0: the index does not have"},
		{"all missing", false, func(c *contents, row rowOf) { c.rows = nil }, "height 1, batch 0, item 0: the index does not have"},
		{"one too many", false, func(c *contents, row rowOf) {
			r := c.rows[row(6, 1, 0)]
			r.Item = 1 // opens accounts
			c.rows = slices.Insert(c.rows, row(6, 1, 0)+1, r)
		}, "height 6, batch 1, item 1: the index has a transfer that it cannot have"},
		{"of an empty block", false, func(c *contents, row rowOf) {
			r := c.rows[row(3, 0, 0)]
			r.Height = 2
			c.rows = slices.Insert(c.rows, row(3, 0, 0), r)
		}, "height 2, batch 0, item 0: the index has a transfer that it cannot have"},
		{"behind the position", false, func(c *contents, row rowOf) {
			r := c.rows[row(12, 0, 0)]
			r.Index = 1
			c.rows = append(c.rows, r)
		}, "height 12, batch 1, item 0: the index has a transfer that it cannot have"},
		{"of the future", false, func(c *contents, row rowOf) {
			r := c.rows[row(12, 0, 0)]
			r.Height = 13
			c.rows = append(c.rows, r)
		}, "height 13, batch 0, item 0: the transfer lies behind what the index says"},
		{"twice", false, func(c *contents, row rowOf) { i := row(4, 0, 1); c.rows = slices.Insert(c.rows, i, c.rows[i]) }, "height 4, batch 0, item 1: the index has this transfer twice"},
		{"swapped", false, func(c *contents, row rowOf) {
			i := row(4, 0, 1)
			c.rows[i], c.rows[i+1] = c.rows[i+1], c.rows[i]
		}, "height 4, batch 0, item 1: the index has this transfer twice, or behind that of height 4, batch 0, item 2"},
		{"of height 0", false, func(c *contents, row rowOf) { c.rows = slices.Insert(c.rows, 0, history.Transfer{}) }, "height 0, batch 0, item 0: the index has this transfer twice, or behind"},
		{"block's hash", false, func(c *contents, row rowOf) { c.blocks[4].Hash[3] ^= 1 }, "height 5: the index has block"},
		{"block's time", false, func(c *contents, row rowOf) { c.blocks[4].TimeUs++ }, "height 5: the index has the block with"},
		{"block's items", false, func(c *contents, row rowOf) { c.blocks[0].Items++ }, "height 1: the index has the block with 6 items"},
		{"block missing", false, func(c *contents, row rowOf) { c.blocks = slices.Delete(c.blocks, 4, 5) }, "height 5: the index does not have the block"},
		{"block twice", false, func(c *contents, row rowOf) { c.blocks = slices.Insert(c.blocks, 4, c.blocks[4]) }, "height 5: the index has a block here that it cannot have"},
		{"block of the future", false, func(c *contents, row rowOf) { c.blocks = append(c.blocks, index.Block{Height: 12}) }, "height 12: the index has a block here that it cannot have"},
		{"position beyond the block", false, func(c *contents, row rowOf) { c.position.Batch = 4 }, "height 12: the index stands at batch 4, the block has 3"},
		{"gap over what is retained", false, func(c *contents, row rowOf) { c.drop(gap(3, 0, 5)) }, "gap from height 3, batch 0, to height 5: batch 0 of block 3 is retained"},
		{"gap in a block that is retained", false, func(c *contents, row rowOf) { c.drop(gap(3, 1, 4)) }, "gap from height 3, batch 1, to height 4: batch 1 of block 3 is retained"},
		{"gap that is too long", true, func(c *contents, row rowOf) { c.drop(gap(7, 0, 11)) }, "gap from height 7, batch 0, to height 11: batch 0 of block 9 is retained"},
		{"gaps that overlap", true, func(c *contents, row rowOf) { c.drop(gap(1, 0, 5)); c.drop(gap(4, 0, 6)) }, "gap from height 4, batch 0, to height 6: there can be no such gap"},
		{"gap backward", true, func(c *contents, row rowOf) { c.gaps = append(c.gaps, gap(5, 0, 5)) }, "gap from height 5, batch 0, to height 5: there can be no such gap"},
		{"gap beyond the position", true, func(c *contents, row rowOf) { c.gaps = append(c.gaps, gap(12, 1, 13)) }, "to height 13: there can be no such gap"},
		{"row in a gap", true, func(c *contents, row rowOf) {
			r := c.rows[row(4, 0, 0)]
			c.drop(gap(3, 0, 6))
			c.rows = slices.Insert(c.rows, row(6, 0, 0), r)
		}, "height 4, batch 0, item 0: the index has a transfer that it cannot have"},
		{"block in a gap", true, func(c *contents, row rowOf) {
			b := c.blocks[3]
			c.drop(gap(3, 0, 6))
			c.blocks = slices.Insert(c.blocks, 2, b)
		}, "height 4: the index has a block here that it cannot have"},
		{"old id", true, func(c *contents, row rowOf) { c.rows[row(4, 0, 0)].ID[5] ^= 1 }, "height 4, batch 0, item 0: the id is"},
		{"old outcome", true, func(c *contents, row rowOf) { c.rows[row(4, 0, 2)].Outcome = 9 }, "height 4, batch 0, item 2: the outcome is"},
		{"old time", true, func(c *contents, row rowOf) { c.rows[row(4, 0, 2)].TimeUs = 9 }, "height 4, batch 0, item 2: the time is"},
		{"old row missing", true, func(c *contents, row rowOf) { i := row(4, 0, 2); c.rows = slices.Delete(c.rows, i, i+1) }, "height 4, batch 0, item 2: the index does not have"},
		{"old row too many", true, func(c *contents, row rowOf) {
			r := c.rows[row(4, 1, 1)]
			r.Item = 2
			c.rows = slices.Insert(c.rows, row(4, 1, 1)+1, r)
		}, "height 4, batch 1, item 2: the index has a transfer that it cannot have"},
		{"old transaction's outcome", true, func(c *contents, row rowOf) { c.rows[row(6, 1, 2)].Outcome = 9 }, "height 6, batch 1, item 2: the outcome is"},
		{"old transaction too many", true, func(c *contents, row rowOf) {
			r := c.rows[row(6, 1, 3)]
			r.Item = 4
			c.rows = slices.Insert(c.rows, row(6, 1, 3)+1, r)
		}, "height 6, batch 1, item 4: the index has a transfer that it cannot have"},
		{"unreadable", false, func(c *contents, row rowOf) { c.err = fault.New(fault.Corrupt, "page 7") }, "the comparison ends here: page 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, said := compared(t)
			if c.recycled {
				l.recycle(9)
			}
			c.lie(said, func(h chain.Height, batch, item uint32) int { return said.row(t, h, batch, item) })
			found := compare(t, l, said, 12)
			if !slices.ContainsFunc(found, func(d string) bool { return strings.Contains(d, c.want) }) {
				t.Errorf("%q is not found: %q", c.want, found)
			}
		})
	}
}

type rowOf = func(h chain.Height, batch, item uint32) int

// TestOneLieOneDifference wants a single changed row to be one finding, and not a trail of them.
func TestOneLieOneDifference(t *testing.T) {
	l, c := compared(t)
	for i := range c.rows {
		lie := c.clone()
		lie.rows[i].Amount.Lo++
		if found := compare(t, l, lie, 12); len(found) != 1 {
			t.Errorf("row %d changed: %q", i, found)
		}
		lie = c.clone()
		lie.rows = slices.Delete(lie.rows, i, i+1)
		if found := compare(t, l, lie, 12); len(found) != 1 {
			t.Errorf("row %d missing: %q", i, found)
		}
	}
}

// TestManyLies stops after DifferencesMax, and does not read on.
func TestManyLies(t *testing.T) {
	l := newLedger(t)
	for range 10 {
		l.block(legs(50))
	}
	c := l.contents(index.Position{Height: 11})
	c.rows, l.reads = nil, 0
	if found := compare(t, l, c, 10); len(found) != index.DifferencesMax || l.reads > 3 {
		t.Errorf("%d differences after %d payloads", len(found), l.reads)
	}
}

// TestRowsLetGo compares old rows when even their outcomes are gone.
func TestRowsLetGo(t *testing.T) {
	l, c := compared(t)
	l.recycle(9)
	l.prune(5)
	if found := compare(t, l, c, 12); len(found) > 0 {
		t.Errorf("%q", found)
	}
	c.rows[c.row(t, 4, 0, 2)].Item = 5
	c.rows[c.row(t, 4, 1, 1)].TimeUs++
	found := compare(t, l, c, 12)
	if len(found) != 2 || !strings.Contains(found[0], "height 4, batch 0, item 5: the index has a transfer that it cannot") || !strings.Contains(found[1], "batch 1, item 1: the time") {
		t.Errorf("%q", found)
	}
}

// TestCompareEnds ends with ctx, or says what of the chain cannot be read.
func TestCompareEnds(t *testing.T) {
	l, c := compared(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := index.Compare(ctx, c, l.history, 12, func(index.Difference) {}, func(chain.Height) {}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if found := compare(t, l, l.contents(index.Position{Height: 14}), 13); len(found) != 1 || !strings.Contains(found[0], "height 13: the comparison ends here") {
		t.Errorf("%q", found)
	}
	c.err = fault.New(fault.Unavailable, "the disk is gone")
	if err := index.Compare(t.Context(), c, l.history, 12, func(index.Difference) {}, func(chain.Height) {}); err != c.err {
		t.Error(err)
	}
}
