// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func validGenesis() *Genesis {
	return &Genesis{
		Chain: 7, Name: "testnet", TimeUs: 1, AccountsMax: 100,
		Validators:   []GenesisValidator{{Name: "v0", Ed25519: make(HexBytes, 32), MLDSA65: make(HexBytes, 1952)}},
		Institutions: []GenesisInstitution{{Name: "Governance", Keys: []HexBytes{make(HexBytes, 33)}}},
		Accounts: []GenesisAccount{
			{Institution: 1, Slot: SlotNone},
			{PublicKey: make(HexBytes, PublicKeyBytesMax), AliasTag: make(HexBytes, 32), Address: make(HexBytes, 20), Slot: 5},
		},
		Assets:   []GenesisAsset{{Code: "EUR", Name: "Euro", Scale: 2, Flags: AssetDense, Issuer: 1}},
		Holdings: []GenesisHolding{{Account: 2, Asset: 1, Amount: "1000"}},
		V10Slots: []SlotRange{{0, SlotsMax - 1}, {SlotsMax, SlotsMax}},
	}
}

func TestGenesisValidate(t *testing.T) {
	for field, spoil := range map[string]func(g *Genesis){
		"":                 func(*Genesis) {},
		"chain_id":         func(g *Genesis) { g.Chain = 0 },
		"name:":            func(g *Genesis) { g.Name = "" },
		"validators: 0":    func(g *Genesis) { g.Validators = nil },
		"validators: 65":   func(g *Genesis) { g.Validators = make([]GenesisValidator, ValidatorsMax+1) },
		"institutions:":    func(g *Genesis) { g.Institutions = nil },
		"accounts_max: 0":  func(g *Genesis) { g.AccountsMax = 0 },
		"accounts_max: 67": func(g *Genesis) { g.AccountsMax = AccountsMaxMax + 1 },
		"a list is longer": func(g *Genesis) { g.Holdings = make([]GenesisHolding, GenesisListMax+1) },
		"more accounts":    func(g *Genesis) { g.AccountsMax = 2 },

		"validators[0]":          func(g *Genesis) { g.Validators[0].Name = "" },
		"a 32-byte ed25519":      func(g *Genesis) { g.Validators[0].Ed25519 = make(HexBytes, 33) },
		"a 1952-byte ml_dsa_65":  func(g *Genesis) { g.Validators[0].MLDSA65 = make(HexBytes, 1953) },
		"institutions[0]: needs": func(g *Genesis) { g.Institutions[0].Name = "\xff" },
		"and a key":              func(g *Genesis) { g.Institutions[0].Keys = nil },
		"institutions[0].keys[1]": func(g *Genesis) {
			g.Institutions[0].Keys = append(g.Institutions[0].Keys, make(HexBytes, PublicKeyBytesMax+1))
		},
		"institutions[0].delegated_keys[1]": func(g *Genesis) {
			g.Institutions[0].DelegatedKeys = []HexBytes{make(HexBytes, 33), make(HexBytes, 1)}
		},
		"idempotency_keys_max: 10000001": func(g *Genesis) { g.IdempotencyKeysMax = IdempotencyKeysMaxMax + 1 },
		"accounts[1].public_key":         func(g *Genesis) { g.Accounts[1].PublicKey = make(HexBytes, 1) },
		"accounts[0].public_key":         func(g *Genesis) { g.Accounts[0].PublicKey = make(HexBytes, 1<<16+33) },
		"accounts[1].alias_tag":          func(g *Genesis) { g.Accounts[1].AliasTag = make(HexBytes, 31) },
		"accounts[1].address":            func(g *Genesis) { g.Accounts[1].Address = make(HexBytes, 32) },
		"assets[0]":                      func(g *Genesis) { g.Assets[0].Code = "eur" },
		"assets[0]: needs":               func(g *Genesis) { g.Assets[0].Name = strings.Repeat("x", NameBytesMax+1) },
		"a scale of at most":             func(g *Genesis) { g.Assets[0].Scale = ScaleMax + 1 },
		"and known flags":                func(g *Genesis) { g.Assets[0].Flags = 8 },
		"holdings[0]":                    func(g *Genesis) { g.Holdings[0].Amount = "1.5" },
		"v10_slots[0]":                   func(g *Genesis) { g.V10Slots[0] = SlotRange{2, 1} },
		"v10_slots[1]":                   func(g *Genesis) { g.V10Slots[1].To = SlotNone },
	} {
		g := validGenesis()
		g.IdempotencyKeysMax = IdempotencyKeysMaxMax
		spoil(g)
		err := g.Validate()
		if field == "" {
			if err != nil {
				t.Errorf("a valid genesis: %v", err)
			}
			continue
		}
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestGenesisJSON(t *testing.T) {
	g := validGenesis()
	g.Validators[0].Ed25519[0] = 0xab
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"ed25519":"ab00`) {
		t.Error("keys must be written as lower-case hex")
	}
	var back Genesis
	if err := json.Unmarshal(text, &back); err != nil || back.Validate() != nil {
		t.Fatal(err, back.Validate())
	}
	if !reflect.DeepEqual(back.Validators, g.Validators) || !reflect.DeepEqual(back.Institutions, g.Institutions) ||
		back.Name != g.Name || !reflect.DeepEqual(back.V10Slots, g.V10Slots) || back.Holdings[0] != g.Holdings[0] {
		t.Errorf("%+v became %+v", g, back)
	}
	for _, bad := range []string{`"a"`, `"zz"`, `12`} {
		var b HexBytes
		if err := json.Unmarshal([]byte(bad), &b); err == nil {
			t.Errorf("%s must not read as bytes", bad)
		}
	}
}
