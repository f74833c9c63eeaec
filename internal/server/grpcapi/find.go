// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
)

func (s *service) accountsInOrder(ctx context.Context, q *ledgerv1.ListAccountsRequest, limit int) (*ledgerv1.ListAccountsResponse, error) {
	if q.Cursor != "" || q.Institution != 0 {
		return nil, badField("in_order", "stands beside a cursor or an institution: give neither")
	}
	p, err := s.backend.AccountsFrom(ctx, chain.AccountNo(q.InOrder.After), limit)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.ListAccountsResponse{IndexHeight: uint64(p.Height), Accounts: each(p.Items, account), More: p.More}, nil
}

func (s *service) assetsInOrder(ctx context.Context, q *ledgerv1.ListAssetsRequest, limit int) (*ledgerv1.ListAssetsResponse, error) {
	if q.Cursor != "" {
		return nil, badField("in_order", "stands beside a cursor: give one of them")
	}
	p, err := s.backend.AssetsFrom(ctx, chain.AssetNo(q.InOrder.After), limit)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.ListAssetsResponse{IndexHeight: uint64(p.Height), Assets: each(p.Items, asset), More: p.More}, nil
}

// FindTransfers lists transfers that pass a filter.
func (s *service) FindTransfers(ctx context.Context, q *ledgerv1.FindTransfersRequest) (*ledgerv1.ListTransfersResponse, error) {
	limit, err := listBounds(q.Limit, q.Cursor)
	if err != nil {
		return nil, err
	}
	filter, err := transferFilter(q)
	if err != nil {
		return nil, err
	}
	var p query.Page[query.Transfer]
	if q.Height != 0 {
		p, err = s.backend.BlockTransfers(ctx, chain.Height(q.Height), limit, q.Cursor)
	} else {
		p, err = s.backend.FindTransfers(ctx, filter, limit, q.Cursor)
	}
	if err != nil {
		return nil, err
	}
	return &ledgerv1.ListTransfersResponse{IndexHeight: uint64(p.IndexHeight), Transfers: each(p.Items, transfer), NextCursor: p.Next}, nil
}

func transferFilter(q *ledgerv1.FindTransfersRequest) (f query.TransferFilter, err error) {
	f = query.TransferFilter{Account: chain.AccountNo(q.Account), Asset: chain.AssetNo(q.Asset), SinceUs: q.SinceUs, Payments: q.Payments}
	switch {
	case q.Done && q.Refused:
		return f, badField("refused", "stands beside done: give one of them")
	case q.Height != 0 && (f != query.TransferFilter{} || q.Done || q.Refused):
		return f, badField("height", "stands beside a filter: a block's transfers are listed whole")
	case q.Done:
		f.Outcome = query.OnlyDone
	case q.Refused:
		f.Outcome = query.OnlyRefused
	}
	return f, nil
}

// ListHolders finds who holds most of an asset.
func (s *service) ListHolders(ctx context.Context, q *ledgerv1.ListHoldersRequest) (*ledgerv1.ListHoldersResponse, error) {
	limit, err := listBounds(q.Limit, "")
	if err != nil {
		return nil, err
	}
	h, err := s.backend.Holders(ctx, chain.AssetNo(q.Asset), limit)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.ListHoldersResponse{Height: uint64(h.Height), Asset: asset(&h.Asset), Holders: each(h.Items, holder)}, nil
}

func holder(h *query.Holder) *ledgerv1.Holder {
	return &ledgerv1.Holder{Account: uint32(h.Account), Amount: h.Amount.String()}
}
