// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"time"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

// Lists is a query index of the gateway's own.
type Lists interface {
	// FindTransfers lists transfers of an account that pass a filter, newest first.
	FindTransfers(ctx context.Context, f query.TransferFilter, limit int, cursor string) (query.Page[query.Transfer], error)
	// Height is how far it has come.
	Height() chain.Height
	// Behind puts V10's history before the copy behind a last page.
	Behind(ctx context.Context, f query.TransferFilter, limit int, page query.Page[query.Transfer]) (query.Page[query.Transfer], error)
	// V10Transfer finds what V10 made by V10's id, and V10Round one of V10's rounds of before the copy.
	V10Transfer(ctx context.Context, round uint64, place uint32) (*query.Transfer, error)
	V10Round(ctx context.Context, number uint64) (*imported.Round, error)
}

// Times of waiting for the gateway's index, which lags.
const (
	indexWaitMax = 150 * time.Millisecond // then it answers as it is
	indexLook    = 5 * time.Millisecond
)

// AccountsFrom lists the accounts after a number, the oldest first.
func (r *Reader) AccountsFrom(ctx context.Context, after chain.AccountNo, limit int) (query.InOrder[query.Account], error) {
	q := &ledgerv1.ListAccountsRequest{Limit: uint32(limit), InOrder: &ledgerv1.InOrder{After: uint32(after)}}
	return ask(ctx, r, upstream.GroupList, ledgerv1.LedgerClient.ListAccounts, q, func(a *ledgerv1.ListAccountsResponse) (query.InOrder[query.Account], error) {
		items, err := each(a.Accounts, accountOf)
		for i := range items {
			items[i].Height = chain.Height(a.IndexHeight)
		}
		return query.InOrder[query.Account]{Height: chain.Height(a.IndexHeight), Items: items, More: a.More}, err
	})
}

// AssetsFrom lists the assets after a number, the oldest first.
func (r *Reader) AssetsFrom(ctx context.Context, after chain.AssetNo, limit int) (query.InOrder[query.Asset], error) {
	q := &ledgerv1.ListAssetsRequest{Limit: uint32(limit), InOrder: &ledgerv1.InOrder{After: uint32(after)}}
	return ask(ctx, r, upstream.GroupList, ledgerv1.LedgerClient.ListAssets, q, func(a *ledgerv1.ListAssetsResponse) (query.InOrder[query.Asset], error) {
		items, err := each(a.Assets, assetOf)
		return query.InOrder[query.Asset]{Height: chain.Height(a.IndexHeight), Items: items, More: a.More}, err
	})
}

// Holders finds the accounts that hold most of an asset.
func (r *Reader) Holders(ctx context.Context, asset chain.AssetNo, limit int) (*query.Holders, error) {
	q := &ledgerv1.ListHoldersRequest{Asset: uint32(asset), Limit: uint32(limit)}
	return ask(ctx, r, upstream.GroupList, ledgerv1.LedgerClient.ListHolders, q, holdersOf)
}

// FindTransfers lists transfers that pass a filter, newest first: of one account from the gateway's index, if there is one, and else
// from a validator. V10's history before the copy, which no validator has, comes behind it.
func (r *Reader) FindTransfers(ctx context.Context, f query.TransferFilter, limit int, cursor string) (query.Page[query.Transfer], error) {
	if old := query.OfImported(cursor); r.lists != nil && (f.Account != 0 || old) {
		if !old {
			r.awaitIndex(ctx)
		}
		return r.lists.FindTransfers(ctx, f, limit, cursor)
	}
	q := &ledgerv1.FindTransfersRequest{
		Limit: uint32(limit), Cursor: cursor, Account: uint32(f.Account), Asset: uint32(f.Asset), SinceUs: f.SinceUs, Payments: f.Payments,
		Done: f.Outcome == query.OnlyDone, Refused: f.Outcome == query.OnlyRefused,
	}
	page, err := r.transfers(ctx, q)
	if err != nil || r.lists == nil {
		return page, err
	}
	return r.lists.Behind(ctx, f, limit, page)
}

// V10Transfer finds what V10 made by V10's id, where the gateway keeps an index.
func (r *Reader) V10Transfer(ctx context.Context, round uint64, place uint32) (*query.Transfer, error) {
	if r.lists == nil {
		return nil, errNoLists()
	}
	return r.lists.V10Transfer(ctx, round, place)
}

// V10Round finds one of V10's rounds of before the copy likewise.
func (r *Reader) V10Round(ctx context.Context, number uint64) (*imported.Round, error) {
	if r.lists == nil {
		return nil, errNoLists()
	}
	return r.lists.V10Round(ctx, number)
}

func errNoLists() error {
	return fault.Reasoned(fault.NotFound, query.ReasonNoIndex, "this gateway keeps no query index, so it knows nothing of V10's past")
}

// awaitIndex waits a moment for the index to come to what was paid last.
func (r *Reader) awaitIndex(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, indexWaitMax)
	defer cancel()
	for after := chain.Height(r.ledger.seen.Load()); r.lists.Height() < after; {
		if pause(ctx, indexLook) != nil {
			return
		}
	}
}

// BlockTransfers lists the transfers of one block in their order.
func (r *Reader) BlockTransfers(ctx context.Context, h chain.Height, limit int, cursor string) (query.Page[query.Transfer], error) {
	return r.transfers(ctx, &ledgerv1.FindTransfersRequest{Height: uint64(h), Limit: uint32(limit), Cursor: cursor})
}

func (r *Reader) transfers(ctx context.Context, q *ledgerv1.FindTransfersRequest) (query.Page[query.Transfer], error) {
	if err := text("cursor", q.Cursor); err != nil {
		return query.Page[query.Transfer]{}, err
	}
	return ask(ctx, r, upstream.GroupList, ledgerv1.LedgerClient.FindTransfers, q, func(a *ledgerv1.ListTransfersResponse) (query.Page[query.Transfer], error) {
		items, err := each(a.Transfers, transferOf)
		return query.Page[query.Transfer]{IndexHeight: chain.Height(a.IndexHeight), Items: items, Next: a.NextCursor}, err
	})
}

// Transfers calls each for every transfer of a certified block, in order; it reuses what it passes. Pruned: the block was let go.
func (r *Reader) Transfers(ctx context.Context, h chain.Height, each func(*query.Transfer) error) error {
	for next := uint32(0); ; {
		b, err := r.contents(ctx, h, next)
		if err != nil {
			return err
		}
		header, err := codec.DecodeHeader(b.Header)
		if err != nil || header.Height != h {
			return malformed("the header of height %d is another one", h)
		}
		if len(b.Batches) == 0 && int(next) < len(header.Batches) {
			return malformed("batch %d of block %d is missing", next, h)
		}
		for _, x := range b.Batches {
			if err := batchTransfers(header, next, x, each); err != nil {
				return err
			}
			next++
		}
		if int(next) >= len(header.Batches) {
			return nil
		}
	}
}

func batchTransfers(header *chain.ExecutedHeader, index uint32, x *ledgerv1.BatchContents, each func(*query.Transfer) error) error {
	o, err := codec.UnpackOutcomes(x.GetOutcomes())
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "the outcomes of batch %d of block %d", index, header.Height)
	}
	return history.TransfersOf(header, index, x.GetPayload(), o, each)
}

// contents reads a block from one of its batches on, as far as an answer holds.
func (r *Reader) contents(ctx context.Context, h chain.Height, from uint32) (*ledgerv1.BlockContents, error) {
	var a *ledgerv1.ReadBlocksResponse
	err := r.ledger.call(ctx, upstream.Call{Group: upstream.GroupRead, Retry: upstream.RetrySafe}, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		a, err = ledgerv1.NewLedgerClient(conn).ReadBlocks(grpcapi.After(ctx, h), &ledgerv1.ReadBlocksRequest{FromHeight: uint64(h), FromBatch: from})
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(a.Blocks) > 0:
		return a.Blocks[0], nil
	case chain.Height(a.RetainedFrom) > h:
		return nil, fault.New(fault.Pruned, "block %d was let go: ask an archive node", h)
	}
	return nil, fault.New(fault.NotFound, "there is no block %d yet", h)
}

// RetainedFrom is the first height, from one on, from which on all transfers can be read at the validator that is asked.
func (r *Reader) RetainedFrom(h chain.Height) (chain.Height, error) {
	ctx, cancel := context.WithTimeout(context.Background(), FreshMax) //lint:context the interface has none: a node looks it up in memory
	defer cancel()
	st, err := r.Status(ctx)
	if err != nil {
		return 0, err
	}
	return max(h, st.OldestPayload), nil
}
