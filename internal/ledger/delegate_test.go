// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// delegated adds a delegated key to institution 1 and returns who signs with it.
func delegated(t *testing.T, gov *client) *client {
	t.Helper()
	code, no, _ := gov.tx(1, &chain.AddDelegate{PublicKey: publicKey(1, 9)})
	want(t, code, chain.OK)
	if k, ok := gov.l.Key(chain.KeyNo(no)); !ok || !k.Delegated || !k.Active || k.OwnerKind != OwnedByInstitution || k.Owner != 1 {
		t.Fatal(k, ok)
	}
	return &client{l: gov.l, institution: 1, key: chain.KeyNo(no), nonce: 1000}
}

// A delegated key does what its institution's server needs for customers, and nothing that changes keys, freezes, holds or
// governs, even where its institution may.
func TestDelegatedKey(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	d := delegated(t, gov)
	for name, c := range map[string]struct {
		body chain.Body
		want chain.Outcome
	}{
		"open account":         {&chain.OpenAccount{}, chain.OK},
		"open accounts":        {&chain.OpenAccounts{Count: 2}, chain.OK},
		"create asset":         {&chain.CreateAsset{Code: "NEW", Name: "New"}, chain.OK},
		"issue":                {&chain.Issue{To: 3, Asset: 1, Amount: units(5)}, chain.OK},
		"redeem":               {&chain.Redeem{Asset: 1, Amount: units(5)}, chain.OK},
		"transfer":             {&chain.Transfer{To: 3, Asset: 1, Amount: units(5)}, chain.NotAuthorized},
		"hold":                 {&chain.Hold{To: 3, Asset: 1, Amount: units(5), Blocks: 5}, chain.NotAuthorized},
		"post":                 {&chain.Post{}, chain.NotAuthorized},
		"void":                 {&chain.Void{}, chain.NotAuthorized},
		"freeze":               {&chain.Freeze{Account: 3, Frozen: true}, chain.NotAuthorized},
		"freeze an asset":      {&chain.Freeze{Asset: 1, Frozen: true}, chain.NotAuthorized},
		"register institution": {&chain.RegisterInstitution{Name: "x", PublicKey: publicKey(1, 8)}, chain.NotAuthorized},
		"add key":              {&chain.AddKey{PublicKey: publicKey(1, 8)}, chain.NotAuthorized},
		"add an account's key": {&chain.AddKey{Account: 3, PublicKey: publicKey(1, 8)}, chain.NotAuthorized},
		"add delegate":         {&chain.AddDelegate{PublicKey: publicKey(1, 8)}, chain.NotAuthorized},
		"revoke key":           {&chain.RevokeKey{Key: 2}, chain.NotAuthorized},
		"revoke itself":        {&chain.RevokeKey{Key: d.key}, chain.NotAuthorized},
		"change validator":     {&chain.ChangeValidator{Epoch: 1}, chain.NotAuthorized},
		"nothing":              {nil, chain.NotAuthorized},
	} {
		if code, _, _ := d.tx(1, c.body); code != c.want {
			t.Errorf("%s: %v, want %v", name, code, c.want)
		}
	}
	code, _, _ := d.tx(4, &chain.OpenAccount{})
	want(t, code, chain.NotAuthorized) // the bank's account
	codes := d.run(t, 0,
		chain.Leg{From: 1, To: 3, Asset: 1, Amount: units(1)},
		keyedLeg(1, 1),
		chain.Leg{From: 4, To: 3, Asset: 1, Amount: units(1)},
		chain.Leg{Kind: chain.LegHold, Arg: 1, From: 1, To: 3, Asset: 1, Amount: units(1)},
		chain.Leg{Kind: chain.LegPost, From: 1}, chain.Leg{Kind: chain.LegVoid, From: 1}, chain.Leg{Kind: 9})
	for i, expected := range []chain.Outcome{chain.OK, chain.OK, chain.NotAuthorized, chain.NotAuthorized, chain.NotAuthorized, chain.NotAuthorized, chain.BadKind} {
		want(t, codes[i], expected)
	}
	want(t, gov.run(t, 0, keyedLeg(1, 1))[0], chain.Duplicate) // a key belongs to the institution, not to who signs for it
	if l.fresh(t); l.Balance(1, 1) != units(993) {
		t.Fatal(l.Balance(1, 1))
	}
}

// fresh checks that a ledger and a copy of it are one.
func (l *Ledger) fresh(t *testing.T) {
	t.Helper()
	l.EndBlock()
	if root(clone(t, l)) != root(l) {
		t.Fatal("a copy has another root")
	}
}

// A delegated key ends like any other, and stands for none when the last key that may do everything is to go.
func TestDelegatedKeyIsRevoked(t *testing.T) {
	l := start(t, smallGenesis())
	gov, bank, _ := clients(l)
	d := delegated(t, gov)
	want(t, d.run(t, 0, keyedLeg(1, 1))[0], chain.OK)
	code, _, _ := gov.tx(1, &chain.RevokeKey{Key: 2})
	want(t, code, chain.OK)
	code, _, _ = gov.tx(1, &chain.RevokeKey{Key: 1})
	want(t, code, chain.LimitReached)
	code, _, _ = bank.tx(2, &chain.RevokeKey{Key: d.key})
	want(t, code, chain.NotAuthorized)
	code, _, _ = gov.tx(1, &chain.RevokeKey{Key: d.key})
	want(t, code, chain.OK)
	if k, _ := l.Key(d.key); k.Active || !k.Delegated {
		t.Fatal(k)
	}
	b, id := d.batch(t, 0, keyedLeg(2, 1))
	codes := make([]chain.Outcome, 1)
	if _, final := l.RunBatch(b, id, 0, codes); final || codes[0] != chain.UnknownKey {
		t.Fatal(codes, final)
	}
	if in, _ := l.Institution(1); in.ActiveKeys != 1 || len(l.InstitutionKeys(1)) != 3 {
		t.Fatal(in)
	}
	l.fresh(t)
}

func TestDelegatedKeyFromGenesis(t *testing.T) {
	g := smallGenesis()
	g.Institutions[1].DelegatedKeys = []chain.HexBytes{publicKey(3, 9)}
	l := start(t, g)
	if k, ok := l.Key(4); !ok || !k.Delegated || k.Owner != 2 {
		t.Fatal(k, ok)
	}
	d := &client{l: l, institution: 2, key: 4}
	want(t, d.run(t, 0, chain.Leg{From: 4, To: 2, Asset: 1, Amount: units(1)})[0], chain.OK)
	code, _, _ := d.tx(4, &chain.Freeze{Account: 4, Frozen: true})
	want(t, code, chain.NotAuthorized)
	l.fresh(t)

	g.Institutions[1].DelegatedKeys[0] = publicKey(1, 9)[1:]
	if err := New(pages.NewSpace(), testAddress).InitGenesis(g); err == nil {
		t.Fatal("an odd key is taken")
	}
}
