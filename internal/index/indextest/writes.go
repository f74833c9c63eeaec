// SPDX-License-Identifier: Apache-2.0

package indextest

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

func testEmpty(t *testing.T, w *world) {
	w.checkPosition()
	w.checkLists(1)
	w.close()
	w.open()
	w.checkPosition()
}

// testRandom applies groups of all sizes, with gaps, and opens the index anew now and then.
func testRandom(t *testing.T, w *world) {
	m := newMaker(1)
	for i := range 60 {
		switch {
		case i%17 == 16:
			w.apply(m.gap(1 + i%3))
		case i%13 == 12:
			w.close()
			w.open()
		default:
			w.apply(m.group(i % 9))
		}
		if i%10 == 9 {
			w.checkLists(1, 4, limitMax)
		}
	}
	w.checkLists(1, 4, limitMax)
}

// testExactlyOnce offers groups that do not begin where the index stands.
func testExactlyOnce(t *testing.T, w *world) {
	m := newMaker(2)
	first, second, third := m.group(7), m.group(4), m.group(4)
	refused := func(g *index.Group) {
		t.Helper()
		if err := w.engine.Apply(g); !fault.Is(err, fault.Conflict) {
			t.Errorf("a group from %v to %v at %v: %v", g.From, g.Next, w.model.next, err)
		}
		w.checkPosition()
		w.checkLists(limitMax)
	}
	refused(second)
	w.apply(first)
	refused(first)
	refused(third)
	w.apply(second)
	refused(first)
	refused(second)
	backward := &index.Group{From: w.model.next, Next: index.Start()}
	refused(backward)
	w.close()
	w.open()
	refused(second)
	w.apply(third)
	w.checkLists(limitMax)
}

// testFailedGroup offers a group that cannot be written, because a block ends twice.
func testFailedGroup(t *testing.T, w *world) {
	m := newMaker(6)
	w.apply(m.group(12))
	next := m.group(12)
	bad := *next
	bad.Blocks = append(slices.Clone(next.Blocks), blockAt(1))
	if err := w.engine.Apply(&bad); err == nil {
		t.Fatal("a block was applied twice")
	}
	w.checkPosition()
	w.checkLists(limitMax)
	w.apply(next)
	w.checkLists(limitMax)
}

// testCrash opens what a killed process leaves after each group: rows and position are of the same moment.
func testCrash(t *testing.T, w *world) {
	m := newMaker(7)
	for range 12 {
		w.apply(m.group(5))
		after := &world{t: t, engines: w.engines, dir: w.engines.Crash(t, w.dir), model: w.model}
		after.open()
		after.checkPosition()
		after.checkLists(limitMax)
		at := *m
		after.apply(at.group(3))
		after.checkLists(limitMax)
		after.close()
	}
}

// testFields writes values at their bounds.
func testFields(t *testing.T, w *world) {
	const most = ^uint32(0)
	var rows []history.Transfer
	for _, kind := range []string{history.KindTransfer, history.KindHold, history.KindPost, history.KindVoid, history.KindIssue, history.KindRedeem, history.KindUnknown} {
		r := transferAt(1, 0, uint32(len(rows)))
		r.Kind, r.Outcome = kind, chain.Outcome(len(rows))
		rows = append(rows, r)
	}
	last := transferAt(1, most, most)
	last.From, last.To, last.Asset, last.Amount = chain.AccountNo(most), chain.AccountNo(most-1), chain.AssetNo(most), chain.Amount{Lo: ^uint64(0), Hi: ^uint64(0)}
	last.Outcome, last.TimeUs = ^chain.Outcome(0), ^uint64(0)
	for i := range last.Reference {
		last.ID[i], last.Reference[i] = ^byte(i), byte(i)+1
	}
	last.Origin = history.Origin{Ms: 1<<48 - 1, Round: 1<<48 - 1, Place: most}
	noID := transferAt(1, most, most-1)
	noID.Origin = history.Origin{Ms: 1}
	rows = append(rows, noID, last)
	w.apply(w.model.blockOf(rows...))
	w.close()
	w.open()
	w.checkLists(limitMax)
	_, have := walk(t, w.engine, last.From, last.Asset, 1)
	if len(have) != 1 || have[0] != last {
		t.Errorf("%+v came back as %+v", last, have)
	}
}

// testPart writes a block in two groups: what is in it is seen when it ends.
func testPart(t *testing.T, w *world) {
	w.apply(w.model.blockOf(transferAt(1, 0, 0)))
	half := index.Position{Height: 2, Batch: 1}
	changed := transferAt(2, 0, 1)
	changed.Origin = history.Origin{Ms: 3, Round: 9, Place: 4}
	w.apply(&index.Group{From: w.model.next, Next: half, Rows: []history.Transfer{transferAt(2, 0, 0), changed}})
	if t2, err := w.engine.ByOrigin(t.Context(), 9, 4); !fault.Is(err, fault.NotFound) {
		t.Errorf("half a block is seen: %+v %v", t2, err)
	}
	if at, rows := walk(t, w.engine, 1, 0, 1); at != 1 || len(rows) != 1 {
		t.Errorf("at %d, %d transfers: half a block is seen", at, len(rows))
	}
	w.close()
	w.open()
	w.checkPosition()
	w.checkLists(1, limitMax)
	w.apply(&index.Group{From: half, Next: index.Position{Height: 3}, Blocks: []index.Block{blockAt(2)}, Rows: []history.Transfer{transferAt(2, 1, 0)}})
	w.checkLists(1, limitMax)
	if _, rows := walk(t, w.engine, 1, 0, 1); len(rows) != 4 {
		t.Errorf("%d transfers, want 4", len(rows))
	}
}

// testAccounts lists a transfer once for each account that it names.
func testAccounts(t *testing.T, w *world) {
	var rows []history.Transfer
	for i, pair := range [][2]chain.AccountNo{{1, 2}, {3, 3}, {0, 4}, {4, 0}, {0, 0}} {
		r := transferAt(1, 0, uint32(i))
		r.From, r.To = pair[0], pair[1]
		rows = append(rows, r)
	}
	w.apply(w.model.blockOf(rows...))
	for account, want := range []int{5, 1, 1, 1, 2, 0} {
		if _, have := walk(t, w.engine, chain.AccountNo(account), 0, 10); len(have) != want {
			t.Errorf("account %d has %d transfers, want %d", account, len(have), want)
		}
	}
	w.checkLists(1, 2)
}

// testGap writes a gap in the middle of a block and goes on behind it.
func testGap(t *testing.T, w *world) {
	half := index.Position{Height: 1, Batch: 1}
	w.apply(&index.Group{From: w.model.next, Next: half, Rows: []history.Transfer{transferAt(1, 0, 0)}})
	after := index.Position{Height: 9}
	w.apply(&index.Group{From: half, Next: after, Gaps: []index.Gap{{From: half, To: 9}}})
	if at, rows := walk(t, w.engine, 0, 0, 1); at != 8 || len(rows) != 1 {
		t.Errorf("at %d, %d transfers", at, len(rows))
	}
	w.apply(w.model.blockOf(transferAt(9, 0, 0)))
	w.apply(&index.Group{From: w.model.next, Next: index.Position{Height: 20}, Gaps: []index.Gap{{From: w.model.next, To: 20}}})
	w.close()
	w.open()
	w.checkPosition()
	w.checkLists(1, limitMax)
}

// testForeign opens the index for other chains, which leaves it as it is.
func testForeign(t *testing.T, w *world) {
	w.apply(w.model.blockOf(transferAt(1, 0, 0)))
	w.close()
	for _, c := range []struct {
		id      chain.ChainID
		genesis chain.Hash
	}{{testChain + 1, testGenesis}, {testChain, chain.Hash{1}}} {
		if e, err := w.engines.Open(w.dir, c.id, c.genesis); !fault.Is(err, fault.Conflict) || e != nil {
			t.Errorf("chain %d, genesis %s: %v, %v", c.id, c.genesis, e, err)
		}
	}
	w.open()
	w.checkPosition()
	w.checkLists(1)
}
