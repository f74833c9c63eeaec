// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"bytes"
	"context"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a submission.
const (
	noncesMax   = 32  // tries while others of the institution use the same account
	validBlocks = 600 // for which a move may be executed
)

// Chain is V11's ledger by its public interface, with the mover's key.
type Chain struct {
	client *client.Client
	id     chain.ChainID
	signer client.Signer
	key    chain.KeyNo
	house  chain.AccountNo
}

// NewChain finds the key of signer among those of an institution. Denied: it is not there, or no longer active.
func NewChain(ctx context.Context, c *client.Client, id chain.ChainID, institution chain.InstitutionNo, signer client.Signer) (*Chain, error) {
	in, err := c.Institution(ctx, institution, 0)
	if err != nil {
		return nil, err
	}
	for _, k := range in.Keys {
		if k.Active && bytes.Equal(k.Public, signer.Public().Bytes()) {
			return &Chain{client: c, id: id, signer: signer, key: chain.KeyNo(k.Number), house: in.House}, nil
		}
	}
	return nil, fault.New(fault.Denied, "the mover's key is none of institution %d: have it delegated, and named by set_mover", institution)
}

// Homes reads the home table, and then how far V10's changes are applied: that may be further than at the table's height, never less.
func (c *Chain) Homes(ctx context.Context) (h Homes, err error) {
	table, err := c.client.Homes(ctx)
	if err != nil {
		return h, err
	}
	if err := h.V10.Set(table.V10...); err != nil {
		return h, fault.Wrap(fault.Corrupt, err, "the home table")
	}
	in, err := c.client.Inbox(ctx)
	if err != nil {
		return h, err
	}
	h.Version, h.Applied = table.Version, in.Position
	return h, nil
}

// Submit signs and submits a body, with another nonce while its account's others were quicker.
func (c *Chain) Submit(ctx context.Context, body chain.Body) (chain.Outcome, error) {
	for try := range uint64(noncesMax) {
		a, err := c.client.Account(ctx, client.AccountName{Number: c.house}, 0, false)
		if err != nil {
			return 0, err
		}
		s, err := c.client.Status(ctx)
		if err != nil {
			return 0, err
		}
		signed, err := client.SignTx(c.signer, client.Tx{
			Chain: c.id, Sender: c.house, Key: c.key, Nonce: a.Nonce + 1 + try, ValidUntil: s.Height + validBlocks, Body: body,
		})
		if err != nil {
			return 0, err
		}
		t, err := c.client.SubmitTx(ctx, signed)
		switch {
		case fault.ReasonOf(err) == chain.NonceUsed.String() || err == nil && t.Outcome == chain.NonceUsed:
			continue
		case err != nil:
			return 0, err
		}
		return t.Outcome, nil
	}
	return 0, fault.New(fault.TryLater, "the account that moves slots is used by others all the time: %d numbers were taken", noncesMax)
}
