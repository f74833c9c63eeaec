// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// Backend is the node behind the edge. Its methods are safe for concurrent use, and their errors have kinds.
type Backend interface {
	Submitter
	Reader
	Lister
	Follower
}

// Pending is something admitted that is not certified yet.
type Pending interface {
	// Done is closed when the fate is known.
	Done() <-chan struct{}
	// Receipt is that fate, after Done. first is false when an earlier submission has this receipt.
	Receipt() (r chain.Receipt, first bool, err error)
}

// TxPending is one single transaction, admitted or refused.
type TxPending interface {
	Pending
	ID() chain.Hash
	// Refused is why it was not admitted: then it is never Done. nil when it was.
	Refused() error
	// Item is its place in its batch, after Done.
	Item() uint32
}

// Submitter is the way in.
type Submitter interface {
	// Buffer lends memory for a client batch of that many bytes. It may wait for a moment; then it answers TryLater.
	Buffer(ctx context.Context, payloadBytes int) (*seglog.Buffer, error)
	// SubmitBatch admits a batch or refuses it. It takes over buf in both cases.
	SubmitBatch(ctx context.Context, buf *seglog.Buffer, signature []byte) (Pending, error)
	// SubmitTxs answers for each signed transaction, in order. It takes over the byte slices.
	SubmitTxs(ctx context.Context, signed [][]byte) []TxPending
}

// Reader answers from certified state.
type Reader interface {
	// Height is the newest certified height.
	Height() chain.Height
	Transaction(ctx context.Context, id [32]byte, proof bool) (*query.Transaction, error)
	TransactionAt(ctx context.Context, at query.Place, proof bool) (*query.Transaction, error)
	// Keyed looks an idempotency key of an institution up.
	Keyed(ctx context.Context, institution chain.InstitutionNo, key chain.IdempotencyKey) (*query.Keyed, error)
	// Inbox is how far V10's changes are applied.
	Inbox(ctx context.Context) (*query.Inbox, error)
	// HomeMove is how a version of the home table was made. NotFound: it was not, yet.
	HomeMove(ctx context.Context, version uint64) (query.HomeMove, error)
	// HomeTable is the home table, and who may change it.
	HomeTable(ctx context.Context) (*query.HomeTable, error)
	// ProveTx proves an item of the batch of single transactions that has a receipt.
	ProveTx(ctx context.Context, r *chain.Receipt, item uint32) (*query.Proof, error)
	Batch(ctx context.Context, id chain.Hash) (chain.Receipt, error)
	Legs(ctx context.Context, id chain.Hash, from, count uint32) (*query.Legs, error)
	// Block answers for height 0 with the newest one.
	Block(ctx context.Context, h chain.Height) (*query.Block, error)
	// BlockByHash finds one of the newest blocks.
	BlockByHash(ctx context.Context, hash chain.Hash) (*query.Block, error)
	// Account lists the holdings of all assets, or, if asset is not 0, of that one.
	Account(ctx context.Context, name query.AccountName, asset chain.AssetNo) (*query.Account, error)
	// AccountProof proves the account and, if asset is not 0, that holding.
	AccountProof(ctx context.Context, name query.AccountName, asset chain.AssetNo) (*query.StateProof, error)
	Asset(ctx context.Context, no chain.AssetNo) (*query.Asset, error)
	AssetByCode(ctx context.Context, code string) (*query.Asset, error)
	Institution(ctx context.Context, no chain.InstitutionNo, channel uint8) (*query.Institution, error)
	Status(ctx context.Context) (*query.Status, error)
	// Handovers lists what proves the membership epochs from one on, in order, at most query.HandoversMax.
	Handovers(ctx context.Context, from chain.Epoch, limit int) (*query.Handovers, error)
	// Contents reads the certified chain from a place on, as far as one answer holds.
	Contents(ctx context.Context, ask query.ContentsRequest) (*query.Contents, error)
}

// Lister answers from the query index, newest first. A cursor it did not make is Invalid. Zero numbers mean any.
type Lister interface {
	ListBlocks(ctx context.Context, limit int, cursor string) (query.Page[query.Block], error)
	ListTransfers(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, limit int, cursor string) (query.Page[query.Transfer], error)
	ListAccounts(ctx context.Context, institution chain.InstitutionNo, limit int, cursor string) (query.Page[query.Account], error)
	ListAssets(ctx context.Context, limit int, cursor string) (query.Page[query.Asset], error)
	Finder
}

// Finder lists from the ledger and the chain itself.
type Finder interface {
	// AccountsFrom and AssetsFrom list those after a number, the oldest first.
	AccountsFrom(ctx context.Context, after chain.AccountNo, limit int) (query.InOrder[query.Account], error)
	AssetsFrom(ctx context.Context, after chain.AssetNo, limit int) (query.InOrder[query.Asset], error)
	Holders(ctx context.Context, asset chain.AssetNo, limit int) (*query.Holders, error)
	// FindTransfers lists transfers that pass a filter, newest first; BlockTransfers those of one block, in their order.
	FindTransfers(ctx context.Context, f query.TransferFilter, limit int, cursor string) (query.Page[query.Transfer], error)
	BlockTransfers(ctx context.Context, h chain.Height, limit int, cursor string) (query.Page[query.Transfer], error)
}

// Follower follows the certified chain from a height on (0: from the next block) until ctx ends or the function given
// returns an error, which comes back.
type Follower interface {
	FollowBlocks(ctx context.Context, from chain.Height, each func(*query.Block) error) error
	FollowEvents(ctx context.Context, from chain.Height, account chain.AccountNo, asset chain.AssetNo, each func(Events) error) error
}

// Events are the transfers of one block that pass a filter. If GapFrom is not 0, retention removed GapFrom to Height-1.
type Events struct {
	Height    chain.Height
	TimeUs    uint64
	GapFrom   chain.Height
	Transfers []query.Transfer
}
