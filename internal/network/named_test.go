// SPDX-License-Identifier: Apache-2.0

package network

import (
	"maps"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/node"
)

// TestNamed: who is named when a network is made has a slot there, which V10 owns at first, and nobody else ever has.
func TestNamed(t *testing.T) {
	dir := t.TempDir() + "/net"
	options := func(named ...string) Options {
		return Options{Name: "n", Demo: true, Accounts: 1, Nodes: 1, V10: true, Sync: &SyncOptions{Moves: true, Named: named}}
	}
	if _, err := Create(t.TempDir()+"/twice", options("acme", "acme")); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	n, err := Create(dir, options("acme", "old bank"))
	if err != nil {
		t.Fatal(err)
	}
	genesis, err := node.ReadGenesis(n.GenesisPath())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(genesis.V10Slots, []chain.SlotRange{{From: 0, To: chain.SlotsMax + 1}}) {
		t.Error(genesis.V10Slots)
	}
	for _, named := range [][]string{nil, {"acme", "old bank"}} {
		if n, err = Create(dir, options(named...)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := n.Named(); err != nil || !maps.Equal(got, keys.Named{"acme": chain.SlotsMax, "old bank": chain.SlotsMax + 1}) || got.Fit(genesis.V10Slots) != nil {
		t.Error(got, err)
	}
	for _, named := range [][]string{{"acme"}, {"old bank", "acme"}, {"acme", "old bank", "more"}} {
		if _, err := Create(dir, options(named...)); !fault.Is(err, fault.Conflict) {
			t.Errorf("%v: %v", named, err)
		}
	}
}
