// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
)

// Page is a part of a list, newest first, as the query index of one node knows it. Next goes on where it ends; "" is the
// end. The index may be behind the chain: IndexHeight says how far it has come.
type Page[T any] struct {
	IndexHeight Height
	Items       []T
	Next        string
}

// Transferred is one leg or money-moving transaction, as lists and events show it.
type Transferred struct {
	Place
	ID        [32]byte
	Item      uint32
	From, To  AccountNo
	Asset     AssetNo
	Amount    Amount
	Kind      string
	Outcome   Outcome
	Reference [32]byte
	TimeUs    uint64
	Origin    *Origin // nil: it did not come from V10 by sync
}

// ListBlocks lists blocks, limit a page (0: 50, at most 1,000), verified with Trust.
func (c *Client) ListBlocks(ctx context.Context, limit int, cursor string) (Page[*Block], error) {
	a, err := read(ctx, c, c.ledger.ListBlocks, &ledgerv1.ListBlocksRequest{Limit: uint32(limit), Cursor: cursor})
	if err != nil {
		return Page[*Block]{}, err
	}
	return page(a.IndexHeight, a.Blocks, a.NextCursor, func(b *ledgerv1.Block) (*Block, error) { return c.block(ctx, b) })
}

// ListTransfers lists the transfers of an account, of an asset, of both, or (0, 0) all. It is asked of the endpoint that keeps the
// query index: a network of several validators has it at its gateway. Unavailable, with reason no_index: none of them has one.
func (c *Client) ListTransfers(ctx context.Context, account AccountNo, asset AssetNo, limit int, cursor string) (Page[*Transferred], error) {
	a, err := read(ctx, c, c.index.listTransfers, &ledgerv1.ListTransfersRequest{
		Account: uint32(account), Asset: uint32(asset), Limit: uint32(limit), Cursor: cursor,
	})
	if err != nil {
		return Page[*Transferred]{}, err
	}
	return page(a.IndexHeight, a.Transfers, a.NextCursor, transferredOf)
}

// ListAccounts lists the accounts of an institution, or (0) all, without holdings.
func (c *Client) ListAccounts(ctx context.Context, institution InstitutionNo, limit int, cursor string) (Page[*Account], error) {
	a, err := read(ctx, c, c.ledger.ListAccounts, &ledgerv1.ListAccountsRequest{
		Institution: uint32(institution), Limit: uint32(limit), Cursor: cursor,
	})
	if err != nil {
		return Page[*Account]{}, err
	}
	return page(a.IndexHeight, a.Accounts, a.NextCursor, func(x *ledgerv1.Account) (*Account, error) { return accountOf(x, nil) })
}

// ListAssets lists assets.
func (c *Client) ListAssets(ctx context.Context, limit int, cursor string) (Page[*Asset], error) {
	a, err := read(ctx, c, c.ledger.ListAssets, &ledgerv1.ListAssetsRequest{Limit: uint32(limit), Cursor: cursor})
	if err != nil {
		return Page[*Asset]{}, err
	}
	return page(a.IndexHeight, a.Assets, a.NextCursor, assetOf)
}

func page[W, T any](height uint64, items []W, next string, read func(W) (T, error)) (Page[T], error) {
	p := Page[T]{IndexHeight: Height(height), Next: next}
	for _, w := range items {
		item, err := read(w)
		if err != nil {
			return Page[T]{}, err
		}
		p.Items = append(p.Items, item)
	}
	return p, nil
}

func transferredOf(t *ledgerv1.Transfer) (*Transferred, error) {
	out := &Transferred{
		Place: Place{Height(t.Height), t.BatchIndex}, Item: t.Item, From: AccountNo(t.From), To: AccountNo(t.To), Asset: AssetNo(t.Asset),
		Kind: t.Kind, Outcome: Outcome(t.Outcome), TimeUs: t.TimeUs,
	}
	copy(out.Reference[:], t.Reference)
	var err error
	if out.Amount, err = amountOf(t.Amount); err != nil {
		return nil, err
	}
	if out.Origin, err = originOf(t.Origin); err != nil {
		return nil, err
	}
	return out, putHash((*Hash)(&out.ID), t.Id)
}
