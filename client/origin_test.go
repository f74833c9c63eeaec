// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// A client that asks for a refusal of V10 is told what V10 decided, beside what this ledger did, which is what can be proved.
func TestTransactionOfV10(t *testing.T) {
	node := grpcapitest.New(1)
	r, err := node.Change(chain.Leg{Kind: chain.LegRefused, From: 1, To: 2, Asset: 3, Amount: chain.Units(4)}, chain.SyncOrigin{
		Outcome: chain.InsufficientFunds, TimeMs: 7, Height: 8, Place: 9,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, node, nil)
	x, err := c.Transaction(t.Context(), chain.NewLegID(r.Batch, 0), false)
	if err != nil || x.Outcome != chain.OK || x.Origin == nil || *x.Origin != (client.Origin{TimeMs: 7, Round: 8, Place: 9, Outcome: chain.InsufficientFunds}) {
		t.Errorf("%+v %v", x, err)
	}
	if x, err = c.Transaction(t.Context(), chain.NewLegID(r.Batch, 1), false); err != nil || x.Origin != nil {
		t.Errorf("the second leg: %+v %v", x, err)
	}
}
