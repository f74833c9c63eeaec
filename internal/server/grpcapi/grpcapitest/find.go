// SPDX-License-Identifier: Apache-2.0

package grpcapitest

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/query"
)

// Height is the fake's newest.
func (n *Node) Height() chain.Height {
	n.mu.Lock()
	defer n.mu.Unlock()
	return chain.Height(len(n.blocks))
}

// BlockByHash finds a block.
func (n *Node) BlockByHash(_ context.Context, hash chain.Hash) (*query.Block, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.blocks {
		if n.blocks[i].hash == hash {
			return n.blocks[i].block(), nil
		}
	}
	return nil, fault.New(fault.NotFound, "no block has this hash")
}

// AccountsFrom knows account 5, and that there are more.
func (n *Node) AccountsFrom(_ context.Context, after chain.AccountNo, _ int) (p query.InOrder[query.Account], err error) {
	if p.Height = 9; after < SampleAccount.Number {
		p.Items, p.More = []query.Account{SampleAccount}, true
		p.Items[0].Holdings = nil
	}
	return p, n.fail("AccountsFrom")
}

// AssetsFrom knows asset 1.
func (n *Node) AssetsFrom(_ context.Context, after chain.AssetNo, _ int) (p query.InOrder[query.Asset], err error) {
	if p.Height = 9; after < SampleAsset.Number {
		p.Items = []query.Asset{SampleAsset}
	}
	return p, n.fail("AssetsFrom")
}

// Holders finds two.
func (n *Node) Holders(context.Context, chain.AssetNo, int) (*query.Holders, error) {
	return &query.Holders{Height: 9, Asset: SampleAsset, Items: []query.Holder{{Account: 5, Amount: chain.Units(60)}, {Account: 6, Amount: chain.Units(40)}}}, n.fail("Holders")
}

// FindTransfers finds one, which says in its fields what was asked for.
func (n *Node) FindTransfers(_ context.Context, f query.TransferFilter, limit int, cursor string) (query.Page[query.Transfer], error) {
	t := query.Transfer{Height: 9, From: f.Account, To: 2, Asset: f.Asset, Kind: "transfer", Amount: chain.Units(uint64(limit)), TimeUs: f.SinceUs, Item: uint32(f.Outcome)}
	if f.Payments {
		t.Index = 1
	}
	return query.Page[query.Transfer]{IndexHeight: 9, Items: []query.Transfer{t}, Next: cursor + "+"}, n.fail("FindTransfers")
}

// BlockTransfers finds one of the block.
func (n *Node) BlockTransfers(_ context.Context, h chain.Height, _ int, cursor string) (query.Page[query.Transfer], error) {
	return query.Page[query.Transfer]{IndexHeight: 9, Items: []query.Transfer{{Height: h, Kind: "hold", Origin: history.Origin{Ms: 7, Round: 8, Place: 9}}}, Next: cursor}, n.fail("BlockTransfers")
}
