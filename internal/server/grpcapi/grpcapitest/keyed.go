// SPDX-License-Identifier: Apache-2.0

package grpcapitest

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
)

// TransactionAt finds a transaction or leg by its place; each block has one batch.
func (n *Node) TransactionAt(_ context.Context, at query.Place, proof bool) (*query.Transaction, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, err := n.find("TransactionAt", int(at.Height)-1)
	if err != nil {
		return nil, err
	}
	if at.Index != 0 || at.Item >= e.receipt.Location.Legs {
		return nil, fault.New(fault.NotFound, "there is no such place")
	}
	leg := e.receipt.Location.Kind == chain.PayloadBatch
	id := [32]byte(chain.NewLegID(e.receipt.Batch, at.Item))
	if !leg {
		offset, length, err := codec.TxSpan(e.payload, at.Item)
		if err != nil {
			return nil, err
		}
		if _, id, err = codec.DecodeSignedTx(e.payload[offset : offset+length]); err != nil {
			return nil, err
		}
	}
	return e.transaction(id, at.Item, leg, proof)
}

// Keyed finds the first leg under a key. The fake executes every leg, and refuses none for its key.
func (n *Node) Keyed(_ context.Context, institution chain.InstitutionNo, key chain.IdempotencyKey) (*query.Keyed, error) {
	if err := n.fail("Keyed"); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	k := &query.Keyed{Height: chain.Height(len(n.blocks))}
	for i := range n.blocks {
		e := &n.blocks[i]
		b, err := chain.ParseBatch(e.payload)
		if err != nil || b.Header().Institution != institution {
			continue // transactions, or another's batch
		}
		o, err := codec.UnpackOutcomes(e.receipt.Outcomes)
		if err != nil {
			return nil, err
		}
		for item := range b.Len() {
			leg := b.Leg(item)
			if got, keyed := leg.Key(); keyed && got == key {
				k.Found, k.At, k.Outcome, k.TimeUs = true, query.Place{Height: e.header.Height, Item: uint32(item)}, o.Codes[item], e.header.TimeUs
				return k, nil
			}
		}
	}
	return k, nil
}
