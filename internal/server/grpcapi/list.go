// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
)

// Bounds of a list's request. What is over them is refused.
const (
	ListItemsMax     = 1000
	ListItemsDefault = 50
	CursorBytesMax   = 512
)

func listBounds(limit uint32, cursor string) (int, error) {
	if limit > ListItemsMax {
		return 0, badField("limit", "is %d, at most %d", limit, ListItemsMax)
	}
	if len(cursor) > CursorBytesMax {
		return 0, badField("cursor", "has %d bytes, at most %d", len(cursor), CursorBytesMax)
	}
	if limit == 0 {
		return ListItemsDefault, nil
	}
	return int(limit), nil
}

// ListBlocks lists blocks.
func (s *service) ListBlocks(ctx context.Context, q *ledgerv1.ListBlocksRequest) (*ledgerv1.ListBlocksResponse, error) {
	limit, err := listBounds(q.Limit, q.Cursor)
	if err != nil {
		return nil, err
	}
	p, err := s.backend.ListBlocks(ctx, limit, q.Cursor)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.ListBlocksResponse{IndexHeight: uint64(p.IndexHeight), Blocks: each(p.Items, block), NextCursor: p.Next}, nil
}

// ListTransfers lists transfers of an account, an asset, both or all.
func (s *service) ListTransfers(ctx context.Context, q *ledgerv1.ListTransfersRequest) (*ledgerv1.ListTransfersResponse, error) {
	return ListTransfers(ctx, s.backend, q)
}

// TransferLister answers from the query index, as Lister does.
type TransferLister interface {
	ListTransfers(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, limit int, cursor string) (query.Page[query.Transfer], error)
}

// ListTransfers translates a list of transfers, for whoever keeps an index. Invalid: the request is out of bounds.
func ListTransfers(ctx context.Context, from TransferLister, q *ledgerv1.ListTransfersRequest) (*ledgerv1.ListTransfersResponse, error) {
	limit, err := listBounds(q.Limit, q.Cursor)
	if err != nil {
		return nil, err
	}
	p, err := from.ListTransfers(ctx, chain.AccountNo(q.Account), chain.AssetNo(q.Asset), limit, q.Cursor)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.ListTransfersResponse{IndexHeight: uint64(p.IndexHeight), Transfers: each(p.Items, transfer), NextCursor: p.Next}, nil
}

// ListAccounts lists accounts of an institution or all.
func (s *service) ListAccounts(ctx context.Context, q *ledgerv1.ListAccountsRequest) (*ledgerv1.ListAccountsResponse, error) {
	limit, err := listBounds(q.Limit, q.Cursor)
	if err != nil {
		return nil, err
	}
	if q.InOrder != nil {
		return s.accountsInOrder(ctx, q, limit)
	}
	p, err := s.backend.ListAccounts(ctx, chain.InstitutionNo(q.Institution), limit, q.Cursor)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.ListAccountsResponse{IndexHeight: uint64(p.IndexHeight), Accounts: each(p.Items, account), NextCursor: p.Next}, nil
}

// ListAssets lists assets.
func (s *service) ListAssets(ctx context.Context, q *ledgerv1.ListAssetsRequest) (*ledgerv1.ListAssetsResponse, error) {
	limit, err := listBounds(q.Limit, q.Cursor)
	if err != nil {
		return nil, err
	}
	if q.InOrder != nil {
		return s.assetsInOrder(ctx, q, limit)
	}
	p, err := s.backend.ListAssets(ctx, limit, q.Cursor)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.ListAssetsResponse{IndexHeight: uint64(p.IndexHeight), Assets: each(p.Items, asset), NextCursor: p.Next}, nil
}
