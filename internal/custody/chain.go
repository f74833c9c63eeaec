// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Chain is the ledger as a desk sees it, in its own node or over a connection. It is safe for concurrent use, shows certified state
// only, and every call ends at the context's end.
//
// Errors of a submission mean one of two things. Timeout: it may have been taken, and nobody knows yet. Any other kind: this call
// did not take it; with reason "stale" or "expired" it can never be taken any more, but it may have been before. An implementation
// that cannot tell says Timeout. A transport that lost its connection cannot tell.
//
// Where a method takes after, NotFound, and nothing else, comes from a state that is at least as high. A node that is behind says
// TryLater. On this rests that nothing is paid twice.
type Chain interface {
	// Height is the newest certified height; it is asked for each batch, and may be a second old.
	Height(ctx context.Context) (chain.Height, error)
	// SubmitBatch submits a batch, whose bytes do not change, and waits for its certificate. The same batch again has its first fate.
	SubmitBatch(ctx context.Context, b *Batch) (*BatchFate, error)
	// SubmitTxs submits up to chain.TxsPerBatchMax signed transactions and waits for their certificates: an answer each, in order. The
	// same transaction again has its first fate, so that NonceUsed means that it was not executed and never will be.
	SubmitTxs(ctx context.Context, signed [][]byte) []TxAnswer
	// FindBatch finds an executed batch. One that did not use up its sequence is NotFound.
	FindBatch(ctx context.Context, id chain.Hash, after chain.Height) (*BatchFate, error)
	// Account finds an account by exactly one of its names.
	Account(ctx context.Context, name AccountName) (*Account, error)
	// Homes says which slots V10 owns. last is what it said before, nil at first, and is returned as it is if nothing moved since.
	Homes(ctx context.Context, last Homes) (Homes, error)
	// Asset finds an asset by its code.
	Asset(ctx context.Context, code string) (*Asset, error)
	// Institution finds an institution, and the last sequence of one of its channels.
	Institution(ctx context.Context, no chain.InstitutionNo, channel uint8) (*Institution, error)
	// Keyed finds the payment that an institution's idempotency key stands for. NotFound: there is none, or the key is forgotten.
	Keyed(ctx context.Context, no chain.InstitutionNo, key chain.IdempotencyKey, after chain.Height) (*KeyedFate, error)
}

// Batch is a signed client batch.
type Batch struct {
	ID        chain.Hash
	Bytes     []byte
	Signature []byte
}

// BatchFate is where a batch was executed, and the outcome of each leg.
type BatchFate struct {
	Height   chain.Height
	TimeUs   uint64 // of the block, microseconds since 1970
	Index    uint32 // of the batch in its block
	Outcomes []chain.Outcome
}

// TxFate is where a single transaction was executed, and how.
type TxFate struct {
	Height      chain.Height
	TimeUs      uint64
	Index, Item uint32 // of its batch in the block, and its place there
	Outcome     chain.Outcome
	Result      uint32 // number of the account or asset made
}

// TxAnswer is the fate of one transaction, or why there is none, with the meaning of Chain's errors.
type TxAnswer struct {
	TxFate
	Err error
}

// KeyedFate is where the first payment under an idempotency key was executed, and how.
type KeyedFate struct {
	Height      chain.Height
	TimeUs      uint64
	Index, Item uint32
	Outcome     chain.Outcome
	Body        [16]byte // of the payment, if BodyKnown
	BodyKnown   bool     // false: its payload was let go
}

// AccountName names an account by exactly one of its names.
type AccountName struct {
	Number   chain.AccountNo
	Address  chain.Address
	AliasTag chain.Hash
}

// Account is an account. Number, Address and Slot never change.
type Account struct {
	Number      chain.AccountNo
	Address     chain.Address
	Institution chain.InstitutionNo // custodian, 0 = self-owned
	Slot        uint16              // chain.SlotNone: it lives on V11 only
	Nonce       uint64              // highest used
}

// Asset is an asset. None of it ever changes.
type Asset struct {
	Number chain.AssetNo
	Code   string
	Name   string
	Scale  uint8
	Issuer chain.AccountNo
	Flags  chain.AssetFlags
}

// Institution is an institution as of Height.
type Institution struct {
	Height   chain.Height
	House    chain.AccountNo
	Sequence uint64 // the last executed of the channel asked for
}

// Vault keeps the names of accounts, by number, so that they can be shown and forgotten. It is safe for concurrent use.
type Vault interface {
	// Put stores names of numbers that have none, at most putMax a call. It is durable when it returns.
	Put(ctx context.Context, names map[chain.AccountNo]string) error
	// Get finds the names of those numbers that have one, at most NamesMax a call.
	Get(ctx context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error)
}
