// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// syncedChain is a chain with changes of V10 in blocks 2, 3 and 4, and the true contents of its index.
func syncedChain(t testing.TB) (*ledger, *contents) {
	t.Helper()
	paid := func(kind chain.LegKind) chain.Leg {
		return chain.Leg{Kind: kind, From: 1, To: 2, Asset: 1, Amount: chain.Units(5)}
	}
	round := chain.Leg{Kind: chain.LegRound, Amount: chain.Units(1)}
	l := newLedger(t)
	l.block(legs(3))
	l.block(content{changes: []chain.Leg{paid(chain.LegTransfer), paid(chain.LegRefused), round, paid(chain.LegTransfer), paid(chain.LegTransfer)}})
	l.block(content{changes: []chain.Leg{round, round}})
	l.block(legs(1), content{changes: []chain.Leg{paid(chain.LegIssue), round, paid(chain.LegRedeem)}})
	for range 8 {
		l.block(legs(2))
	}
	return l, l.contents(index.Position{Height: 13})
}

// TestChangesOfV10 compares what came by sync: what was applied, with V10's ids and outcomes, also when payloads were recycled.
func TestChangesOfV10(t *testing.T) {
	l, c := syncedChain(t)
	have := c.rows[c.row(t, 2, 0, 2)]
	if want := (history.Origin{Ms: 2001, Round: 2000, Place: 1}); have.Origin != want || have.Outcome != chain.FrozenSlot {
		t.Errorf("what V10 refused is %+v", have)
	}
	if n := len(slices.DeleteFunc(slices.Clone(c.rows), func(r history.Transfer) bool { return r.Origin == (history.Origin{}) })); n != 4 {
		t.Errorf("%d transfers came from V10, want 4: what is held is none", n)
	}
	if found := compare(t, l, c, 12); len(found) > 0 {
		t.Errorf("%q", found)
	}
	l.recycle(9)
	if found := compare(t, l, c, 12); len(found) > 0 {
		t.Errorf("payloads were recycled since: %q", found)
	}
}

// TestLiesAboutV10 changes what an index says of V10's changes.
func TestLiesAboutV10(t *testing.T) {
	for _, c := range []struct {
		name     string
		recycled bool
		lie      func(c *contents, row rowOf)
		want     string
	}{
		{"time", false, func(c *contents, row rowOf) { c.rows[row(2, 0, 0)].Origin.Ms++ }, "height 2, batch 0, item 0: V10's id is"},
		{"round", false, func(c *contents, row rowOf) { c.rows[row(4, 1, 0)].Origin.Round++ }, "height 4, batch 1, item 0: V10's id is"},
		{"place", false, func(c *contents, row rowOf) { c.rows[row(2, 0, 2)].Origin.Place++ }, "V10's id is"},
		{"none", false, func(c *contents, row rowOf) { c.rows[row(2, 0, 2)].Origin = history.Origin{} }, "V10's id is"},
		{"one too many", false, func(c *contents, row rowOf) { c.rows[row(1, 0, 0)].Origin.Ms = 1 }, "height 1, batch 0, item 0: V10's id is"},
		{"the ledger's outcome", false, func(c *contents, row rowOf) { c.rows[row(2, 0, 2)].Outcome = chain.OK }, "the outcome is ok in the index, frozen_slot on the chain"},
		{"what is held", false, heldRow, "height 2, batch 0, item 8: the index has a transfer that it cannot have"},
		{"old id", true, func(c *contents, row rowOf) { c.rows[row(2, 0, 6)].ID[0] ^= 1 }, "height 2, batch 0, item 6: the id is"},
		{"old time", true, func(c *contents, row rowOf) { c.rows[row(2, 0, 6)].TimeUs++ }, "height 2, batch 0, item 6: the time is"},
		{"old, held", true, heldRow, "height 2, batch 0, item 8: the index has a transfer that it cannot have"},
		{"old, no first leg", true, func(c *contents, row rowOf) { c.rows[row(2, 0, 2)].Item = 3 }, "height 2, batch 0, item 3: the index has a transfer that it cannot have"},
		{"old, not of V10", true, func(c *contents, row rowOf) { c.rows[row(2, 0, 2)].Origin = history.Origin{} }, "height 2, batch 0, item 2: the index has a transfer that it cannot have"},
		{"old, of a client", true, func(c *contents, row rowOf) { c.rows[row(1, 0, 0)].Origin.Ms = 1 }, "height 1, batch 0, item 1: the index has a transfer that it cannot have"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			l, said := syncedChain(t)
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

// heldRow lists a change that was not applied.
func heldRow(c *contents, row rowOf) {
	i := row(2, 0, 6)
	r := c.rows[i]
	r.Item, r.Origin.Place = 8, 4
	c.rows = slices.Insert(c.rows, i+1, r)
}
