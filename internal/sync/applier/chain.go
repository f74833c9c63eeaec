// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Chain is the ledger as an applier sees it, in its own node or over a connection. It is safe for concurrent use and shows certified
// state only.
//
// Errors of a submission: Timeout says that nobody knows whether it was taken. Whatever they are, the applier reads the inbox again.
type Chain interface {
	// Height is the newest certified height.
	Height(ctx context.Context) (chain.Height, error)
	// Inbox is how far V10's changes are applied, and who may bring more.
	Inbox(ctx context.Context) (*Inbox, error)
	// Channel is the last sequence that an institution used on a channel, and its house account.
	Channel(ctx context.Context, no chain.InstitutionNo, channel uint8) (sequence uint64, house chain.AccountNo, err error)
	// Accounts finds accounts by the tags of their V10 names, in order. Number 0: nobody has the tag. At most LookMax tags.
	Accounts(ctx context.Context, tags []chain.Hash) ([]Account, error)
	// Nonce is the highest nonce that an account used.
	Nonce(ctx context.Context, no chain.AccountNo) (uint64, error)
	// Assets finds assets by their codes, in order. Number 0: there is none.
	Assets(ctx context.Context, codes []string) ([]Asset, error)
	// SubmitTxs submits up to OpensMax signed transactions and waits for their certificates: an answer each, in order.
	SubmitTxs(ctx context.Context, signed [][]byte) []TxAnswer
	// SubmitBatch has a batch admitted, and returns what waits for its certificate and then returns its outcomes. Batches are ordered
	// as they are admitted, as far as that lies with the node.
	SubmitBatch(ctx context.Context, raw, signature []byte) (wait func(context.Context) ([]chain.Outcome, error), err error)
}

// Inbox is the ledger's.
type Inbox struct {
	Life        uint32 // 0: it was never opened
	Ledger      chain.Hash
	Incarnation [16]byte
	Institution chain.InstitutionNo
	Key         chain.KeyNo
	Position    chain.SyncPosition // of the newest change applied or skipped
	Tag         chain.Hash
	Applied     uint64
	Skipped     uint64
	HomeVersion uint64 // of the ledger's home table
	Closed      bool   // the migration is over: no change is taken any more
}

// copying reports whether the initial copy is under way: it was begun, behind the first position, and none of V10's own changes came yet.
func (in *Inbox) copying() bool {
	return in.Life > 0 && in.Position.Major == 0 && in.Position.Minor > 0
}

// Account is an account found by a tag.
type Account struct {
	Number  chain.AccountNo
	Address chain.Address
}

// Asset is an asset found by its code.
type Asset struct{ Number chain.AssetNo }

// TxAnswer is the fate of a transaction, or why there is none.
type TxAnswer struct {
	Outcome chain.Outcome
	Result  uint32 // number of the account or asset made
	Err     error
}

// Reader hands out V10's records in order, as a bus reader does. An error other than its context's end is final: it is opened again.
type Reader interface {
	// Next waits for at least one record, and returns at most limit.
	Next(ctx context.Context, limit int) ([]*envelope.Record, error)
	// Beat is the newest heart-beat: up to which position V10's side has published all, and when it said so, ms since 1970; 0: not yet.
	Beat() (stated envelope.Position, ms uint64)
	// Trouble is why nothing can be read now, while it is tried again; nil: nothing is known.
	Trouble() error
	Close()
}

// Opener begins to read behind a place.
type Opener func(ctx context.Context, start envelope.Start) (Reader, error)

// Vault keeps the names of accounts by number.
type Vault interface {
	// Put stores names of numbers that have none, durably, at most LookMax a call.
	Put(ctx context.Context, names map[chain.AccountNo]string) error
}
