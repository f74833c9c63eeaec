// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

func TestInitGenesisErrors(t *testing.T) {
	for entry, change := range map[string]func(g *chain.Genesis){
		"chain_id":               func(g *chain.Genesis) { g.Chain = 0 },
		"institutions[1]: a key": func(g *chain.Genesis) { g.Institutions[1].Keys[0] = []byte{1, 2} },
		"institutions[1]: limit": func(g *chain.Genesis) {
			for len(g.Institutions[1].Keys) <= InstitutionKeysMax {
				g.Institutions[1].Keys = append(g.Institutions[1].Keys, g.Institutions[1].Keys[0])
			}
		},
		"accounts[0]: needs either":   func(g *chain.Genesis) { g.Accounts[0].Institution = 0 },
		"accounts[2]: needs either":   func(g *chain.Genesis) { g.Accounts[2].Institution = 1 },
		"accounts[1]: unknown_inst":   func(g *chain.Genesis) { g.Accounts[1].Institution = 3 },
		"accounts[3].alias_tag":       func(g *chain.Genesis) { g.Accounts[3].AliasTag = g.Accounts[3].AliasTag[:31] },
		"accounts[4].address":         func(g *chain.Genesis) { g.Accounts[4].Address = g.Accounts[4].Address[:19] },
		"accounts[4]: alias_taken":    func(g *chain.Genesis) { g.Accounts[4].AliasTag = g.Accounts[3].AliasTag },
		"accounts[4]: address_taken":  func(g *chain.Genesis) { g.Accounts[4].Address = g.Accounts[3].Address },
		"accounts[2]: bad_field":      func(g *chain.Genesis) { g.Accounts[2].PublicKey[0] = 1 },
		"assets[1]: code_taken":       func(g *chain.Genesis) { g.Assets[1].Code = "GOLD" },
		"assets[1]: needs a code":     func(g *chain.Genesis) { g.Assets[1].Code = "" },
		"assets[1]: unknown_account":  func(g *chain.Genesis) { g.Assets[1].Issuer = 8 },
		"holdings[0]: amount":         func(g *chain.Genesis) { g.Holdings[0].Amount = "1.5" },
		"holdings[0]: bad_field":      func(g *chain.Genesis) { g.Holdings[0].Amount = "0" },
		"holdings[0]: unknown_acc":    func(g *chain.Genesis) { g.Holdings[0].Account = 0 },
		"holdings[0]: unknown_asset":  func(g *chain.Genesis) { g.Holdings[0].Asset = 6 },
		"holdings[1]: overflow":       func(g *chain.Genesis) { g.Holdings[1].Amount = "340282366920938463463374607431768211455" },
		"holdings[6]: not_portable_u": func(g *chain.Genesis) { g.Holdings[6].Account = 1 },
	} {
		g := smallGenesis()
		change(g)
		err := New(pages.NewSpace(), testAddress).InitGenesis(g)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), entry) {
			t.Errorf("%q expected: %v", entry, err)
		}
	}
	l := start(t, smallGenesis())
	if err := l.InitGenesis(smallGenesis()); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
}

func TestGenesisWithoutV10(t *testing.T) {
	g := smallGenesis()
	g.V10Slots = nil
	l := start(t, g)
	if l.MigrationOpen() || l.HomeVersion() != 1 || l.OwnedByV10(10) {
		t.Fatal("V10 owns something")
	}
	gov, _, _ := clients(l)
	// Portable assets are like all others: in native accounts, on hold, and on the fast path.
	want(t, gov.run(t, 0, chain.Leg{From: 6, To: 1, Asset: 3, Amount: units(9)})[0], chain.OK)
	want(t, gov.run(t, 0, chain.Leg{From: 1, To: 3, Asset: 3, Amount: units(4)})[0], chain.OK)
	want(t, gov.run(t, 0, chain.Leg{Kind: chain.LegHold, Arg: 1, From: 1, To: 3, Asset: 3, Amount: units(4)})[0], chain.OK)
}

func TestCustodialAddressCannotBeTaken(t *testing.T) {
	g := smallGenesis()
	l := start(t, g)
	gov, _, _ := clients(l)
	squatted := l.custodialAddress(testChain, 9)
	code, _, _ := gov.tx(1, &chain.OpenAccount{AliasTag: chain.Hash{5}, Address: squatted, Slot: 1})
	want(t, code, chain.OK)
	code, no, _ := gov.tx(1, &chain.OpenAccount{})
	want(t, code, chain.OK)
	if a, _ := l.Account(chain.AccountNo(no)); no != 9 || a.Address == squatted || a.Address.IsZero() {
		t.Fatal(a)
	}
}
