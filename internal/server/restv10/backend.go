// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"net/http"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Desk pays for V10 names, as *custody.Desk does. It is safe for concurrent use, and its errors have kinds.
type Desk interface {
	PayMany(ctx context.Context, ps []custody.Payment) []custody.Answer
	Key(caller, key string) chain.IdempotencyKey
	Body(p *custody.Payment) [16]byte
	Open(ctx context.Context, name string) (custody.Opened, error)
	Resolve(ctx context.Context, name string) (chain.AccountNo, error)
	Names(ctx context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error)
	Asset(ctx context.Context, code string) (custody.Asset, error)
	// Away says of each debit whether only V10 may make it.
	Away(ctx context.Context, ds []custody.Debit) ([]bool, error)
	CreateAsset(ctx context.Context, issuer string, a custody.NewAsset) (chain.AssetNo, custody.Result, error)
	Issue(ctx context.Context, issuer, to, asset string, amount chain.Amount) (custody.Result, error)
	Redeem(ctx context.Context, issuer, asset string, amount chain.Amount) (custody.Result, error)
}

// Reader answers from certified state. It is safe for concurrent use, and its errors have kinds.
type Reader interface {
	Status(ctx context.Context) (*query.Status, error)
	// Counters are cheap: they are asked for every second, and for each figure.
	Counters() Counters
	Account(ctx context.Context, name query.AccountName, asset chain.AssetNo) (*query.Account, error)
	Asset(ctx context.Context, no chain.AssetNo) (*query.Asset, error)
	AssetByCode(ctx context.Context, code string) (*query.Asset, error)
	// Block answers for height 0 with the newest one.
	Block(ctx context.Context, h chain.Height) (*query.Block, error)
	BlockByHash(ctx context.Context, hash chain.Hash) (*query.Block, error)
	TransferAt(ctx context.Context, at query.Place) (*query.PlacedTransfer, error)
	// V10Transfer finds what V10 made, by sync or before the copy, by V10's id, and V10Round one of V10's rounds of before the copy.
	V10Transfer(ctx context.Context, round uint64, place uint32) (*query.Transfer, error)
	V10Round(ctx context.Context, number uint64) (*imported.Round, error)
	AccountsFrom(ctx context.Context, after chain.AccountNo, limit int) (query.InOrder[query.Account], error)
	AssetsFrom(ctx context.Context, after chain.AssetNo, limit int) (query.InOrder[query.Asset], error)
	Holders(ctx context.Context, asset chain.AssetNo, limit int) (*query.Holders, error)
	// FindTransfers lists transfers that pass a filter, newest first.
	FindTransfers(ctx context.Context, f query.TransferFilter, limit int, cursor string) (query.Page[query.Transfer], error)
	// BlockTransfers lists the transfers of one block in their order.
	BlockTransfers(ctx context.Context, h chain.Height, limit int, cursor string) (query.Page[query.Transfer], error)
	// Transfers calls each for every transfer of a certified block; it may reuse what it passes.
	Transfers(ctx context.Context, h chain.Height, each func(*query.Transfer) error) error
	// RetainedFrom is the first height, from one on, from which on all transfers can be read.
	RetainedFrom(h chain.Height) (chain.Height, error)
	// FollowHeights calls each with every certified height from the next one on, until ctx ends or each fails.
	FollowHeights(ctx context.Context, each func(chain.Height) error) error
}

// Counters are a ledger at a glance.
type Counters struct {
	Height    chain.Height // certified
	Transfers uint64       // with outcome ok, since the genesis
}

// Access says who calls, and keeps API keys, as *access.Guard does. It is safe for concurrent use, and its errors have kinds.
type Access interface {
	// Enter reads the caller from the headers of a request, which it counts until leave is called.
	Enter(ctx context.Context, h http.Header) (c *access.Caller, leave func(), err error)
	Login(ctx context.Context, q *v10.Login) (v10.Token, error)
	Refresh(ctx context.Context, token string) (v10.Token, error)
	Keys(ctx context.Context, c *access.Caller) ([]v10.APIKey, error)
	CreateKey(ctx context.Context, c *access.Caller, q *v10.CreateAPIKey) (v10.APIKeyCreated, error)
	// DeleteKey reports whether there was such a key.
	DeleteKey(ctx context.Context, c *access.Caller, id string) (bool, error)
	// Mode is open or required.
	Mode() string
}

// Trail writes down what callers did, as *trail.Trail does.
type Trail interface {
	// Ready is Unavailable when nothing can be written down any more.
	Ready() error
	Append(e *trail.Entry) error
}
