// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
)

// SubmitTx submits one signed transaction and returns when it is certified, whatever its outcome: look at Outcome. With
// Trust it is verified, its place included. Submitting the same bytes again gives the first receipt. A fate that is not
// known is an *UnknownOutcomeError.
func (c *Client) SubmitTx(ctx context.Context, signed []byte) (*Transaction, error) {
	id, err := TxID(signed)
	if err != nil {
		return nil, err
	}
	a, end := call(ctx, c, c.ledger.SubmitTransaction, &ledgerv1.SubmitTransactionRequest{Transaction: signed, Proof: c.verifier != nil})
	if end.err != nil {
		return nil, end.unknown(id)
	}
	t, err := transactionOf(a.Receipt, a.Proof)
	if err != nil {
		return nil, err
	}
	t.Bytes = signed
	t, err = checked(ctx, c, t, func(v *Verifier) error { return v.Transaction(t, id) })
	return t, attempt{err: err, maybe: true}.unknown(id)
}
