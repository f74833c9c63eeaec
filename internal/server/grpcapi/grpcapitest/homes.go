// SPDX-License-Identifier: Apache-2.0

package grpcapitest

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
)

// Moved makes the next version of the home table: by the transaction with that id, or by the seal of SealToV10.
func (n *Node) Moved(tx chain.Hash) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.moves = append(n.moves, query.HomeMove{Tx: tx, Height: chain.Height(len(n.blocks))})
}

// HomeMove finds what Moved was told.
func (n *Node) HomeMove(_ context.Context, version uint64) (query.HomeMove, error) {
	if err := n.fail("HomeMove"); err != nil {
		return query.HomeMove{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if version < 2 || version-2 >= uint64(len(n.moves)) {
		return query.HomeMove{}, fault.New(fault.NotFound, "nothing made version %d", version)
	}
	return n.moves[version-2], nil
}

// HomeTable has something in every field.
func (n *Node) HomeTable(context.Context) (*query.HomeTable, error) {
	if err := n.fail("HomeTable"); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return &query.HomeTable{
		Height: chain.Height(len(n.blocks)), Version: uint64(len(n.moves)) + 1, V10: []chain.SlotRange{{From: 1, To: 2}, {From: 9, To: 9}}, Mover: 3, Guard: [32]byte{4},
		Closed: true,
	}, nil
}
