// SPDX-License-Identifier: Apache-2.0

package grpcapitest

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/query"
)

// Inbox is one that was opened and at which something was applied.
func (n *Node) Inbox(context.Context) (*query.Inbox, error) {
	if err := n.fail("Inbox"); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return &query.Inbox{
		Height: chain.Height(len(n.blocks)), HomeVersion: 3, InboxView: ledger.InboxView{
			Life: 2, Ledger: chain.Hash{1}, Incarnation: [16]byte{2}, Institution: 4, Key: 5, Position: chain.SyncPosition{Major: 6, Minor: 7},
			Tag: chain.Hash{8}, Applied: 9, Skipped: 10, Barrier: 11, Round: 12,
		},
	}, nil
}
