// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

// Reader answers what validators say of certified state. It is safe for concurrent use.
type Reader struct {
	ledger *Ledger
	lists  Lists
	watch  *watch
}

func newReader(l *Ledger, lists Lists) *Reader {
	return &Reader{ledger: l, lists: lists, watch: newWatch(l)}
}

// Counters are the ledger at a glance, as the follower knows it.
func (r *Reader) Counters() Counts {
	now, _ := r.watch.counts()
	return now
}

// Fresh waits until something is known of the ledger, or ctx ends.
func (r *Reader) Fresh(ctx context.Context) error { return r.watch.await(ctx) }

// FollowHeights calls each with every certified height from the next one on, until ctx ends or each fails.
func (r *Reader) FollowHeights(ctx context.Context, each func(chain.Height) error) error {
	return r.watch.heights(ctx, each)
}

// ask puts a question to any validator, and reads the answer.
func ask[Q, A, T any](
	ctx context.Context, r *Reader, g upstream.Group, put func(ledgerv1.LedgerClient, context.Context, *Q, ...grpc.CallOption) (*A, error), q *Q, read func(*A) (T, error),
) (out T, err error) {
	return askAt(ctx, r, g, 0, put, q, read)
}

// askAt is ask with the key of a call.
func askAt[Q, A, T any](
	ctx context.Context, r *Reader, g upstream.Group, key uint32, put func(ledgerv1.LedgerClient, context.Context, *Q, ...grpc.CallOption) (*A, error), q *Q, read func(*A) (T, error),
) (out T, err error) {
	var answer *A
	err = r.ledger.read(ctx, g, key, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		answer, err = put(ledgerv1.NewLedgerClient(conn), ctx, q)
		return err
	})
	if err != nil {
		return out, err
	}
	return read(answer)
}

// homeKey is the key of what one validator says of itself: answers that follow each other speak of the same one, while it is well.
const homeKey = 1 << 31

// Status says how a validator is, and what it knows of its peers.
func (r *Reader) Status(ctx context.Context) (*query.Status, error) { return r.status(ctx, homeKey) }

func (r *Reader) status(ctx context.Context, key uint32) (*query.Status, error) {
	return askAt(ctx, r, upstream.GroupRead, key, ledgerv1.LedgerClient.GetStatus, &ledgerv1.GetStatusRequest{}, statusOf)
}

// Account finds an account with its holdings of all assets, or, if asset is not 0, of that one.
func (r *Reader) Account(ctx context.Context, name query.AccountName, asset chain.AssetNo) (*query.Account, error) {
	q := &ledgerv1.GetAccountRequest{Asset: uint32(asset)}
	switch {
	case name.Number != 0:
		q.Name = &ledgerv1.GetAccountRequest_Number{Number: uint32(name.Number)}
	case name.Address != chain.Address{}:
		q.Name = &ledgerv1.GetAccountRequest_Address{Address: name.Address[:]}
	default:
		q.Name = &ledgerv1.GetAccountRequest_AliasTag{AliasTag: name.AliasTag[:]}
	}
	return ask(ctx, r, upstream.GroupRead, ledgerv1.LedgerClient.GetAccount, q, func(a *ledgerv1.GetAccountResponse) (*query.Account, error) {
		out, err := accountOf(a.Account)
		if err != nil {
			return nil, err
		}
		out.Height = chain.Height(a.Height)
		out.Holdings, err = each(a.Holdings, holdingOf)
		return out, err
	})
}

// Asset finds an asset.
func (r *Reader) Asset(ctx context.Context, no chain.AssetNo) (*query.Asset, error) {
	return ask(ctx, r, upstream.GroupRead, ledgerv1.LedgerClient.GetAsset, &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Number{Number: uint32(no)}}, assetOf)
}

// AssetByCode finds an asset by its code.
func (r *Reader) AssetByCode(ctx context.Context, code string) (*query.Asset, error) {
	if text("code", code) != nil {
		return nil, errNoAsset()
	}
	return ask(ctx, r, upstream.GroupRead, ledgerv1.LedgerClient.GetAsset, &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Code{Code: code}}, assetOf)
}

// Block finds a block; height 0 is the newest one.
func (r *Reader) Block(ctx context.Context, h chain.Height) (*query.Block, error) {
	return ask(ctx, r, upstream.GroupRead, ledgerv1.LedgerClient.GetBlock, &ledgerv1.GetBlockRequest{Height: uint64(h)}, blockOf)
}

// BlockByHash finds one of the newest blocks.
func (r *Reader) BlockByHash(ctx context.Context, hash chain.Hash) (*query.Block, error) {
	return ask(ctx, r, upstream.GroupList, ledgerv1.LedgerClient.GetBlock, &ledgerv1.GetBlockRequest{Hash: hash[:]}, blockOf)
}

// TransferAt finds what was executed at a place.
func (r *Reader) TransferAt(ctx context.Context, at query.Place) (*query.PlacedTransfer, error) {
	q := &ledgerv1.GetTransactionRequest{Place: &ledgerv1.TransactionPlace{Height: uint64(at.Height), BatchIndex: at.Index, Item: at.Item}}
	return ask(ctx, r, upstream.GroupRead, ledgerv1.LedgerClient.GetTransaction, q, func(a *ledgerv1.GetTransactionResponse) (*query.PlacedTransfer, error) {
		return placedOf(a, at)
	})
}
