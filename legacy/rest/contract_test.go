// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/v10/contracttest"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// TestContract plays the contract of the dialect, the same that V11 is held to.
func TestContract(t *testing.T) {
	s := start(t)
	world := contracttest.World{URL: s.url, Accounts: [3]string{"alice", "Bob Smith", "0xCafe"}}
	for _, name := range world.Accounts {
		results, err := s.ledger.Submit(context.Background(), []ledger.Order{
			{Kind: ledger.Transfer, From: ledger.Treasury, To: name, Asset: "AUR", Units: chain.Units(100_000_00000000)},
		})
		if err != nil || errorOf(results[0]) != nil {
			t.Fatal(results, err)
		}
	}
	contracttest.Run(t, world)
}
