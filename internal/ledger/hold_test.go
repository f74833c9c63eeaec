// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

func TestHoldExpires(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, self := clients(l)
	code, _, id := gov.tx(3, &chain.Hold{To: 5, Asset: 1, Amount: units(100), Blocks: 2})
	want(t, code, chain.OK)
	next(l)
	if v, ok := l.HoldByID(id); !ok || v.Expires != 3 || v.Amount != units(100) || l.Balance(3, 1) != units(900) || l.Balance(Escrow, 1) != units(100) {
		t.Fatal(v, ok)
	}
	next(l)
	if _, ok := l.HoldByID(id); ok || l.Balance(3, 1) != units(1000) || l.Balance(Escrow, 1) != units(0) {
		t.Fatal("it did not expire")
	}
	code, _, _ = self.tx(5, &chain.Void{Hold: id})
	want(t, code, chain.HoldUnknown)
}

// More holds than a block may expire are due at once: the rest goes one block later, by slot, and is of no use meanwhile.
func TestHoldsExpireByTurns(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	const more = 10
	var ids []chain.Hash
	for range HoldExpiriesPerBlockMax/1000 + 1 {
		legs := make([]chain.Leg, 1000)
		for i := range legs {
			legs[i] = chain.Leg{Kind: chain.LegHold, Arg: 1, From: 3, To: 1, Asset: 1 + chain.AssetNo(i%2)*3, Amount: units(1)}
		}
		if have := int(l.Counts().HoldsPending); have+len(legs) > HoldExpiriesPerBlockMax+more {
			legs = legs[:HoldExpiriesPerBlockMax+more-have]
		}
		b, batch := gov.batch(t, 0, legs...)
		for i := range legs {
			ids = append(ids, chain.Hash(chain.NewLegID(batch, uint32(i))))
			want(t, l.issue(3, legs[i].Asset, units(1)), chain.OK)
		}
		codes := make([]chain.Outcome, len(legs))
		if moved, _ := l.RunBatch(b, batch, 0, codes); moved != len(legs) {
			t.Fatal(moved, codes[0])
		}
	}
	next(l)
	if l.Counts().HoldsPending != more {
		t.Fatal(l.Counts())
	}
	if _, ok := l.HoldByID(ids[len(ids)-1]); ok {
		t.Fatal("a hold past its time can be used")
	}
	code, _, _ := gov.tx(3, &chain.Post{Hold: ids[len(ids)-1]})
	want(t, code, chain.HoldUnknown)
	code, _, id := gov.tx(3, &chain.Hold{To: 5, Asset: 1, Amount: units(1), Blocks: 9})
	want(t, code, chain.OK)
	if slot := l.holdByID[id]; slot != 0 {
		t.Fatal("the lowest slot is free, and it took", slot)
	}
	c := clone(t, l)
	next(l)
	c.BeginBlock(l.Height(), l.TimeUs())
	if l.Counts().HoldsPending != 1 || root(c) != root(l) {
		t.Fatal(l.Counts())
	}
}

func TestHoldPosts(t *testing.T) {
	for name, c := range map[string]struct {
		amount        uint64
		paid, payment uint64
		want          chain.Outcome
	}{
		"all":      {0, 1100, 900, chain.OK},
		"in words": {100, 1100, 900, chain.OK},
		"a part":   {30, 1030, 970, chain.OK},
		"more":     {101, 1000, 900, chain.HoldAmount},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, smallGenesis())
			gov, _, self := clients(l)
			_, _, id := gov.tx(3, &chain.Hold{To: 5, Asset: 1, Amount: units(100), Blocks: 5})
			code, _, _ := self.tx(5, &chain.Post{Hold: id})
			want(t, code, chain.NotAuthorized)
			code, _, _ = gov.tx(3, &chain.Void{Hold: id})
			want(t, code, chain.NotAuthorized)
			code, _, _ = gov.tx(3, &chain.Post{Hold: id, Amount: units(c.amount)})
			want(t, code, c.want)
			if l.Balance(5, 1) != units(c.paid) || l.Balance(3, 1) != units(c.payment) {
				t.Fatal(l.Balance(5, 1), l.Balance(3, 1))
			}
			if l.EndBlock(); c.want == chain.OK && (l.Counts().HoldsPending != 0 || l.Counts().HoldSlots != 1) {
				t.Fatal(l.Counts())
			}
		})
	}
}

// A credit that has no room stops a post before anything moves.
func TestPostWithoutRoom(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	_, _, id := gov.tx(3, &chain.Hold{To: 5, Asset: 1, Amount: units(100), Blocks: 5})
	*l.hot[1].column.Mut(5) = chain.Amount{Lo: ^uint64(0), Hi: ^uint64(0)}
	code, _, _ := gov.tx(3, &chain.Post{Hold: id})
	want(t, code, chain.Overflow)
	want(t, gov.run(t, 0, chain.Leg{From: 1, To: 5, Asset: 1, Amount: units(1)})[0], chain.Overflow)
	l.EndBlock()
}

func TestHoldIDIsUsedOnce(t *testing.T) {
	l := start(t, smallGenesis())
	body := &chain.Hold{To: 5, Asset: 1, Amount: units(100), Blocks: 5}
	for i, expected := range []chain.Outcome{chain.OK, chain.BadField} {
		code, _, _ := l.RunTx(&chain.Tx{Chain: testChain, Sender: 3, Key: 1, Nonce: uint64(i), ValidUntil: 1, Body: body}, chain.Hash{1})
		want(t, code, expected)
	}
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		fill func(l *Ledger)
		body chain.Body
	}{
		"holds":        {func(l *Ledger) { l.meta.Mut(0).HoldsPending = HoldsMax }, &chain.Hold{To: 5, Asset: 1, Amount: units(1), Blocks: 5}},
		"holdings":     {func(l *Ledger) { l.meta.Mut(0).Sparse = HoldingsMax }, &chain.Issue{To: 5, Asset: 2, Amount: units(1)}},
		"accounts":     {func(l *Ledger) { l.meta.Mut(0).Accounts = 1000 }, &chain.OpenAccount{}},
		"assets":       {func(l *Ledger) { l.meta.Mut(0).Assets = AssetsMax }, &chain.CreateAsset{Code: "X", Name: "x"}},
		"dense assets": {func(l *Ledger) { l.dense = make([]chain.AssetNo, DenseAssetsMax) }, &chain.CreateAsset{Code: "X", Name: "x", Flags: chain.AssetDense}},
		"institutions": {func(l *Ledger) { l.meta.Mut(0).Institutions = InstitutionsMax }, &chain.RegisterInstitution{Name: "x", PublicKey: publicKey(1, 8)}},
		"keys":         {func(l *Ledger) { l.meta.Mut(0).Keys = KeysMax }, &chain.AddKey{PublicKey: publicKey(1, 8)}},
		"account keys": {func(l *Ledger) { l.meta.Mut(0).Keys = KeysMax }, &chain.AddKey{Account: 3, PublicKey: publicKey(1, 8)}},
		"open keys":    {func(l *Ledger) { l.meta.Mut(0).Keys = KeysMax }, &chain.OpenAccount{PublicKey: publicKey(1, 8)}},
		"large keys":   {func(l *Ledger) { l.meta.Mut(0).LargeKeys = largeKeysMax }, &chain.AddKey{PublicKey: publicKey(3, 8)}},
		"active keys":  {func(l *Ledger) { l.institutions.Mut(1).ActiveKeys = InstitutionKeysMax }, &chain.AddKey{PublicKey: publicKey(1, 8)}},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, smallGenesis())
			c.fill(l)
			gov, _, _ := clients(l)
			code, _, _ := gov.tx(1, c.body)
			want(t, code, chain.LimitReached)
		})
	}
}
