// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
)

// Transaction finds a transaction or leg by its id. With proof and Trust it is verified.
func (c *Client) Transaction(ctx context.Context, id [32]byte, proof bool) (*Transaction, error) {
	t, err := c.transaction(ctx, &ledgerv1.GetTransactionRequest{Id: id[:], Proof: proof})
	if err != nil || !proof {
		return t, err
	}
	return checked(ctx, c, t, func(v *Verifier) error { return v.Transaction(t, id) })
}

// transaction asks for a transaction or leg, and verifies nothing.
func (c *Client) transaction(ctx context.Context, q *ledgerv1.GetTransactionRequest) (*Transaction, error) {
	a, err := read(ctx, c, c.ledger.GetTransaction, q)
	if err != nil {
		return nil, err
	}
	t, err := transactionOf(a.Receipt, a.Proof)
	if err != nil {
		return nil, err
	}
	if err := putHash(&t.Batch, a.Batch); err != nil {
		return nil, err
	}
	t.Bytes, t.Leg = a.Transaction, a.Leg
	t.Origin, err = originOf(a.Origin)
	return t, err
}

// Batch finds the receipt of a client batch, verified with Trust.
func (c *Client) Batch(ctx context.Context, id Hash) (*BatchReceipt, error) {
	a, err := read(ctx, c, c.ledger.GetBatch, &ledgerv1.GetBatchRequest{Batch: id[:]})
	if err != nil {
		return nil, err
	}
	r, err := batchReceiptOf(a.Receipt)
	if err != nil {
		return nil, err
	}
	return checked(ctx, c, r, func(v *Verifier) error { return v.Batch(r, id) })
}

// Legs finds count records (at most 512) of a batch from leg from on, under one proof, verified with Trust.
func (c *Client) Legs(ctx context.Context, batch Hash, from, count uint32) (*Legs, error) {
	a, err := read(ctx, c, c.ledger.GetLegs, &ledgerv1.GetLegsRequest{Batch: batch[:], From: from, Count: count})
	if err != nil {
		return nil, err
	}
	r, err := batchReceiptOf(a.Receipt)
	if err != nil {
		return nil, err
	}
	l := &Legs{Receipt: *r, From: from, Records: a.Records, Proof: Proof{Front: a.Proof.GetFront(), Item: a.Proof.GetItem()}}
	return checked(ctx, c, l, func(v *Verifier) error { return v.Legs(l, batch) })
}

// checked gives an answer out only if it verifies, where there is a Trust to verify with.
func checked[T any](ctx context.Context, c *Client, answer *T, check func(*Verifier) error) (*T, error) {
	if c.verifier == nil {
		return answer, nil
	}
	if err := c.prove(ctx, check); err != nil {
		return nil, err
	}
	return answer, nil
}
