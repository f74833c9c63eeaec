// SPDX-License-Identifier: Apache-2.0

package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestReadGenesis(t *testing.T) {
	f := newFolder(t)
	g, err := ReadGenesis(f.cfg.Path(f.cfg.Genesis))
	if err != nil || codec.GenesisHash(g) != codec.GenesisHash(f.genesis) {
		t.Fatalf("%v", err)
	}
	if _, err := ReadGenesis(filepath.Join(f.cfg.Dir, "none.json")); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if _, err := ReadGenesis(f.cfg.Dir); !fault.Is(err, fault.Unavailable) {
		t.Error("a folder was read", err)
	}
}

// first is the first object of a list.
func first(m map[string]any, list string) map[string]any { return m[list].([]any)[0].(map[string]any) }

// Each wrong field is refused, and the error names the field and the file.
func TestGenesisRefuses(t *testing.T) {
	f := newFolder(t)
	path := filepath.Join(t.TempDir(), "genesis.json")
	for says, change := range map[string]func(map[string]any){
		"chain_id":           func(m map[string]any) { delete(m, "chain_id") },
		"chain_id must":      func(m map[string]any) { m["chain_id"] = 0 },
		"name":               func(m map[string]any) { m["name"] = "" },
		"time_us":            func(m map[string]any) { m["time_us"] = "now" },
		"validators":         func(m map[string]any) { m["validators"] = []any{} },
		"validators[0]":      func(m map[string]any) { first(m, "validators")["ed25519"] = "00" },
		"ml_dsa_65":          func(m map[string]any) { delete(first(m, "validators"), "ml_dsa_65") },
		"institutions":       func(m map[string]any) { delete(m, "institutions") },
		"institutions[0]":    func(m map[string]any) { delete(first(m, "institutions"), "keys") },
		"accounts_max":       func(m map[string]any) { delete(m, "accounts_max") },
		"more accounts":      func(m map[string]any) { m["accounts_max"] = 3 },
		"public_key":         func(m map[string]any) { first(m, "accounts")["public_key"] = "00" },
		"hex":                func(m map[string]any) { first(m, "accounts")["public_key"] = "0" },
		"alias_tag":          func(m map[string]any) { first(m, "accounts")["alias_tag"] = "00" },
		"accounts[0].addr":   func(m map[string]any) { first(m, "accounts")["address"] = "00" },
		"accounts[0].slot":   func(m map[string]any) { delete(first(m, "accounts"), "slot") },
		"write 65535":        func(m map[string]any) { delete(m["accounts"].([]any)[1].(map[string]any), "slot") },
		"slot":               func(m map[string]any) { first(m, "accounts")["slot"] = 65536 },
		"assets[0]":          func(m map[string]any) { delete(first(m, "assets"), "code") },
		"scale":              func(m map[string]any) { first(m, "assets")["scale"] = -1 },
		"holdings[0]":        func(m map[string]any) { first(m, "holdings")["amount"] = "1.5" },
		"v10_slots[0]":       func(m map[string]any) { m["v10_slots"] = []any{map[string]any{"from": 2, "to": 1}} },
		`unknown field "x"`:  func(m map[string]any) { m["x"] = 1 },
		`unknown field "y"`:  func(m map[string]any) { first(m, "accounts")["y"] = 1 },
		`unknown field "acc`: func(m map[string]any) { m["acconts"] = m["accounts"]; delete(m, "accounts") },
	} {
		m := jsonOf(t, f.genesis)
		change(m)
		text, err := json.Marshal(m)
		must(t, err)
		must(t, os.WriteFile(path, text, 0o644))
		if _, err := ReadGenesis(path); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestGenesisText(t *testing.T) {
	f := newFolder(t)
	text, err := os.ReadFile(f.cfg.Path(f.cfg.Genesis))
	must(t, err)
	path := filepath.Join(t.TempDir(), "genesis.json")
	for name, bad := range map[string]string{"empty": "", "cut": string(text[:len(text)/2]), "a list": "[]", "two": string(text) + string(text), "a tail": string(text) + "x"} {
		must(t, os.WriteFile(path, []byte(bad), 0o644))
		if _, err := ReadGenesis(path); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, os.WriteFile(path, append(text, " \n\t"...), 0o644))
	if _, err := ReadGenesis(path); err != nil {
		t.Error(err)
	}
}
