// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"bytes"
	"reflect"
	"testing"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
)

// Every field of a status arrives, in its own place.
func TestStatusIsWhole(t *testing.T) {
	s := &query.Status{
		Chain: 1, Network: "network", Genesis: chain.Hash{2}, Node: "node", Version: "version", Height: 3, Executed: 4, RootHeight: 5,
		StateRoot: chain.Hash{6}, TimeUs: 7, Accounts: 8, Assets: 9, Legs: 10, IndexHeight: 11, IndexLagRows: 12, OldestPayload: 13,
		HomeVersion: 14, Validators: []chain.GenesisValidator{{Name: "a"}, {Name: "b", Ed25519: []byte{15}}}, Halted: true, HaltedReason: "reason",
	}
	for i := range reflect.TypeOf(*s).NumField() {
		if reflect.ValueOf(*s).Field(i).IsZero() {
			t.Errorf("this test does not fill in %s", reflect.TypeOf(*s).Field(i).Name)
		}
	}
	got := nodeStatus(s)
	if got.ChainId != 1 || got.Network != "network" || !bytes.Equal(got.GenesisHash, s.Genesis[:]) || got.Node != "node" || got.Version != "version" {
		t.Errorf("%+v", got)
	}
	numbers := []uint64{got.Height, got.ExecutedHeight, got.RootHeight, got.TimeUs, got.Accounts, got.Assets, got.Legs, got.IndexHeight,
		got.IndexLagRows, got.OldestPayloadHeight, got.HomeVersion}
	if want := []uint64{3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14}; !reflect.DeepEqual(numbers, want) || !bytes.Equal(got.StateRoot, s.StateRoot[:]) {
		t.Errorf("%v, must be %v", numbers, want)
	}
	second := &ledgerv1.ValidatorInfo{Number: 1, Name: "b", Ed25519: []byte{15}}
	if !got.Halted || got.HaltedReason != "reason" || len(got.Validators) != 2 || got.Validators[1].String() != second.String() {
		t.Errorf("%+v", got)
	}
}
