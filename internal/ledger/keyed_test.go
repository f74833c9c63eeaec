// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// keyOf is the n-th idempotency key; the 0-th is none.
func keyOf(n uint64) (k chain.IdempotencyKey) {
	binary.BigEndian.PutUint64(k[8:], n)
	return k
}

// keyedLeg pays 1 GOLD from account 1 to 2 under the n-th key.
func keyedLeg(n, amount uint64) chain.Leg {
	return chain.Leg{Arg: chain.LegKeyed, From: 1, To: 2, Asset: 1, Amount: units(amount), Reference: chain.KeyedReference(keyOf(n), [16]byte{7})}
}

// A key pays once, whatever is sent under it later, and says where. Another institution's equal key is another one.
func TestKeyedOnce(t *testing.T) {
	l := start(t, smallGenesis())
	gov, bank, _ := clients(l)
	plain := chain.Leg{From: 1, To: 2, Asset: 1, Amount: units(1)}
	codes := gov.run(t, 0, plain, keyedLeg(1, 5), keyedLeg(2, 5), keyedLeg(1, 5), keyedLeg(0, 5), plain)
	for i, expected := range []chain.Outcome{chain.OK, chain.OK, chain.OK, chain.Duplicate, chain.BadField, chain.OK} {
		want(t, codes[i], expected)
	}
	first, ok := l.Keyed(1, keyOf(1))
	if !ok || first != (KeyedView{Height: 1, Item: 1, Outcome: chain.OK, TimeUs: 10}) {
		t.Fatal(first, ok)
	}
	next(l)
	other := keyedLeg(1, 900)
	other.From, other.To = 3, 4
	want(t, gov.run(t, 0, other)[0], chain.Duplicate)
	if l.Balance(1, 1) != units(988) || l.Balance(3, 1) != units(1000) {
		t.Fatal(l.Balance(1, 1), l.Balance(3, 1))
	}
	if again, _ := l.Keyed(1, keyOf(1)); again != first {
		t.Fatal(again)
	}
	other.From, other.To = 4, 1
	want(t, bank.run(t, 0, other)[0], chain.OK)
	if v, ok := l.Keyed(2, keyOf(1)); !ok || v.Height != 2 || v.Item != 0 {
		t.Fatal(v, ok)
	}
	if _, ok := l.findKeyed(l.keyedTable.tag(1, keyOf(1)), 2, keyOf(5)); ok {
		t.Fatal("half a hash is no key")
	}
	if _, ok := l.findKeyed(l.keyedTable.tag(1, keyOf(2)), 2, keyOf(2)); ok {
		t.Fatal("a key of another institution was found")
	}
	if _, ok := l.Keyed(3, keyOf(1)); ok {
		t.Fatal("institution 3 has none")
	}
	if c := l.KeyedCounts(); c != (KeyedCounts{Living: 3, Max: chain.IdempotencyKeysDefault, Duplicates: 2}) {
		t.Fatal(c)
	}
	l.EndBlock()
	if root(clone(t, l)) != root(l) {
		t.Fatal("a copy has another root")
	}
}

// A refusal is final for its key: what would be paid now stays refused. Only a payment that is not at home here is not
// settled: it goes to its home, and may be paid here when that has moved.
func TestKeyedRefusals(t *testing.T) {
	rich := func(l *Ledger) { *l.hot[1].column.Mut(2) = chain.Amount{Lo: ^uint64(0), Hi: ^uint64(0)} }
	for name, c := range map[string]struct {
		prepare func(l *Ledger)
		leg     chain.Leg
		want    chain.Outcome
	}{
		"amount":          {nil, chain.Leg{From: 1, To: 2, Asset: 1}, chain.BadField},
		"to self":         {nil, chain.Leg{From: 1, To: 1, Asset: 1, Amount: units(1)}, chain.BadField},
		"payer":           {nil, chain.Leg{From: 99, To: 2, Asset: 1, Amount: units(1)}, chain.UnknownAccount},
		"payee":           {nil, chain.Leg{From: 1, To: 99, Asset: 1, Amount: units(1)}, chain.UnknownAccount},
		"asset":           {nil, chain.Leg{From: 1, To: 2, Asset: 99, Amount: units(1)}, chain.UnknownAsset},
		"another's":       {nil, chain.Leg{From: 4, To: 2, Asset: 1, Amount: units(1)}, chain.NotAuthorized},
		"funds":           {nil, chain.Leg{From: 1, To: 2, Asset: 1, Amount: units(1001)}, chain.InsufficientFunds},
		"frozen account":  {func(l *Ledger) { l.freezeAccount(1, true) }, chain.Leg{From: 1, To: 2, Asset: 1, Amount: units(1)}, chain.FrozenAccount},
		"frozen asset":    {func(l *Ledger) { l.freezeAsset(1, true) }, chain.Leg{From: 1, To: 2, Asset: 1, Amount: units(1)}, chain.FrozenAsset},
		"no portable one": {nil, chain.Leg{From: 7, To: 1, Asset: 5, Amount: units(1)}, chain.NotPortable},
		"overflow":        {rich, chain.Leg{From: 1, To: 2, Asset: 1, Amount: units(1)}, chain.Overflow},
		"limit":           {func(l *Ledger) { l.meta.Mut(0).Sparse = HoldingsMax }, chain.Leg{From: 3, To: 1, Asset: 2, Amount: units(1)}, chain.LimitReached},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, smallGenesis())
			gov, _, _ := clients(l)
			if c.prepare != nil {
				c.prepare(l)
			}
			c.leg.Arg, c.leg.Reference = chain.LegKeyed, chain.KeyedReference(keyOf(1), [16]byte{})
			want(t, gov.run(t, 0, c.leg)[0], c.want)
			if v, ok := l.Keyed(1, keyOf(1)); !ok || v.Outcome != c.want {
				t.Fatal(v, ok)
			}
			want(t, gov.run(t, 0, keyedLeg(1, 1))[0], chain.Duplicate)
		})
	}
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	away := chain.Leg{Arg: chain.LegKeyed, From: 6, To: 7, Asset: 3, Amount: units(1), Reference: chain.KeyedReference(keyOf(1), [16]byte{})}
	want(t, gov.run(t, 0, away)[0], chain.NotHome)
	if _, ok := l.Keyed(1, keyOf(1)); ok || l.KeyedCounts().Living != 0 {
		t.Fatal("a payment that went to its home has used its key up")
	}
	*l.homes.Mut(0) = 0 // the first 64 slots come here
	want(t, gov.run(t, 0, away)[0], chain.OK)
	l.setHome(10, true) // and goes: what was paid here is still known
	want(t, gov.run(t, 0, away)[0], chain.Duplicate)
}

// An atomic batch that fails, at a repeat too, leaves nothing of its keys: neither records, nor counts, nor what is derived.
func TestKeyedAtomic(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	before := root(l)
	legs := []chain.Leg{keyedLeg(1, 1), keyedLeg(2, 1), keyedLeg(3, 1)}
	for name, last := range map[string]struct {
		leg  chain.Leg
		want chain.Outcome
	}{
		"a repeat":      {keyedLeg(2, 1), chain.Duplicate},
		"a keyed leg":   {keyedLeg(4, 1<<40), chain.InsufficientFunds},
		"an other leg":  {chain.Leg{Kind: 9}, chain.BadKind},
		"a leg of none": {keyedLeg(0, 1), chain.BadField},
	} {
		codes := gov.run(t, chain.FlagAtomic, append(legs[:3:3], last.leg)...)
		if codes[0] != chain.BatchAborted || codes[3] != last.want {
			t.Errorf("%s: %v", name, codes)
		}
		if l.KeyedCounts() != (KeyedCounts{Max: chain.IdempotencyKeysDefault}) || l.keyedTable.used != 0 {
			t.Errorf("%s: %+v", name, l.KeyedCounts())
		}
	}
	*l.channels.Mut(channelIndex(1, 0)) = 0
	if root(l) != before {
		t.Error("an aborted batch changed the state")
	}
	for _, code := range gov.run(t, chain.FlagAtomic, legs...) {
		want(t, code, chain.OK)
	}
	want(t, gov.run(t, chain.FlagAtomic, keyedLeg(4, 1), keyedLeg(3, 1))[1], chain.Duplicate)
	if _, ok := l.Keyed(1, keyOf(4)); ok || l.KeyedCounts().Living != 3 || l.KeyedCounts().Duplicates != 0 {
		t.Error(l.KeyedCounts())
	}
}

// bring records n keys from first on, in batches of at most each.
func bring(t testing.TB, c *client, first, n, each uint64) {
	t.Helper()
	for n > 0 {
		legs := make([]chain.Leg, min(n, each))
		for i := range legs {
			legs[i] = keyedLeg(first+uint64(i), 1<<40) // refused, and final
		}
		for _, code := range c.run(t, 0, legs...) {
			want(t, code, chain.InsufficientFunds)
		}
		first, n = first+uint64(len(legs)), n-uint64(len(legs))
	}
}

// Keys live for a day of block time. More than a block may give up go by turns, and live on until theirs comes.
func TestKeysExpireByTurns(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	const more = 10
	bring(t, gov, 1, KeyExpiriesPerBlockMax+more, chain.BatchLegsMax)
	later(l, 5)
	bring(t, gov, 1<<40, 1, 1)
	later(l, chain.IdempotencyLifeMicros-6) // a day after the first keys, but for 1 us
	want(t, gov.run(t, 0, keyedLeg(1, 1))[0], chain.Duplicate)
	if c := l.KeyedCounts(); c.Living != KeyExpiriesPerBlockMax+more+1 || c.Expired != 0 {
		t.Fatal(c)
	}
	later(l, 1)
	if c := l.KeyedCounts(); c.Living != more+1 || c.Expired != KeyExpiriesPerBlockMax {
		t.Fatal(c)
	}
	codes := gov.run(t, 0, keyedLeg(1, 1), keyedLeg(KeyExpiriesPerBlockMax+1, 1))
	if codes[0] != chain.OK || codes[1] != chain.Duplicate {
		t.Fatal(codes)
	}
	l.EndBlock()
	c := clone(t, l)
	l.BeginBlock(l.Height()+1, l.TimeUs())
	c.BeginBlock(l.Height(), l.TimeUs())
	if k := l.KeyedCounts(); k.Living != 2 || k != c.KeyedCounts() || root(c) != root(l) {
		t.Fatal(k, c.KeyedCounts())
	}
	later(l, 2*chain.IdempotencyLifeMicros)
	if k := l.KeyedCounts(); k.Living != 0 || k.Expired != KeyExpiriesPerBlockMax+more+2 || l.keyedTable.used != 0 {
		t.Fatal(k)
	}
}

// When as many newer keys came as may live, the oldest goes, and the ring goes round; a batch may bring more than may live.
func TestKeysAreEvicted(t *testing.T) {
	g := smallGenesis()
	g.IdempotencyKeysMax = 100
	l := start(t, g)
	gov, _, _ := clients(l)
	ring := uint64(g.IdempotencyKeysMax + chain.BatchLegsMax)
	bring(t, gov, 1, 100, 30)
	want(t, gov.run(t, 0, keyedLeg(1, 1))[0], chain.Duplicate)
	bring(t, gov, 101, 1, 1)
	if _, ok := l.Keyed(1, keyOf(1)); ok || l.KeyedCounts().Evicted != 1 {
		t.Fatal(l.KeyedCounts())
	}
	last := 3*ring + 7
	bring(t, gov, 102, last-101, chain.BatchLegsMax)
	if c := l.KeyedCounts(); c != (KeyedCounts{Living: 100, Max: 100, Evicted: last - 100, Duplicates: 1}) {
		t.Fatal(c)
	}
	for n := last - 99; n <= last; n++ {
		if _, ok := l.Keyed(1, keyOf(n)); !ok {
			t.Fatal(n)
		}
	}
	if _, ok := l.Keyed(1, keyOf(last-100)); ok || l.keyedTable.used != 100 || l.keyed.Len() > ring+pages.PageBytes/40 {
		t.Fatal("the ring is wider than it may be", l.keyed.Len())
	}
	l.EndBlock()
	c := clone(t, l)
	if c.KeyedCounts() != l.KeyedCounts() {
		t.Fatal(c.KeyedCounts())
	}
	// An atomic batch that fails gives nothing up, though it brought more than may live.
	next(l)
	legs := make([]chain.Leg, 300)
	for i := range legs {
		legs[i] = keyedLeg(last+1+uint64(i), 1)
	}
	legs[299] = keyedLeg(last, 1)
	want(t, gov.run(t, chain.FlagAtomic, legs...)[299], chain.Duplicate)
	if l.KeyedCounts() != c.KeyedCounts() {
		t.Fatal(l.KeyedCounts())
	}
	if v, ok := l.Keyed(1, keyOf(last-99)); !ok || v.Outcome != chain.InsufficientFunds {
		t.Fatal(v, ok)
	}
}

// A ledger that never saw a key has no page for them and no table.
func TestKeysCostNothingUnused(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	for range 3 {
		gov.run(t, 0, chain.Leg{From: 1, To: 2, Asset: 1, Amount: units(1)})
		gov.run(t, chain.FlagAtomic, chain.Leg{From: 1, To: 2, Asset: 1, Amount: units(1)}, chain.Leg{})
		next(l)
	}
	if _, ok := l.Keyed(1, keyOf(1)); ok || l.keyed.Len() != 0 || l.keyedTotals.Len() != 0 || len(l.keyedTable.slots) != 0 {
		t.Fatal(l.keyed.Len(), l.keyedTotals.Len())
	}
}

// The table finds what a map would, whatever comes and goes, and however the hashes collide.
func TestKeyedTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newKeyedTable()
		tags := map[uint32]uint32{} // by place
		spread := rapid.SampledFrom([]uint32{1, 3, 1 << 16}).Draw(t, "spread")
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			place := rapid.Uint32Range(0, 99).Draw(t, "place")
			if tag, ok := tags[place]; ok {
				x.remove(tag, place)
				delete(tags, place)
			} else {
				tag := rapid.Uint32Range(0, spread).Draw(t, "tag") * (1 << 31 / spread)
				x.add(tag, place)
				tags[place] = tag
			}
			for place := range uint32(100) {
				tag, want := tags[place]
				if got, ok := x.find(tag, func(p uint32) bool { return p == place }); ok != want || ok && got != place {
					t.Fatalf("place %d: %d, %v, want %v", place, got, ok, want)
				}
			}
			if x.used != len(tags) {
				t.Fatal(x.used)
			}
		}
	})
}
