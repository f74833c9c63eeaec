// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"context"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
)

// Sender is the ledger as an import sees it, and the keys that sign. One goroutine calls it.
//
// Errors of sending decide what happens next: TryLater sends the same bytes again after a while; Refused with the reason
// "stale" or "expired" is looked into and may be signed again; all others stop the import.
//
// FindBatch and FindTx must answer from a state at least as new as the one from which Sequence, Height, Nonce or an
// earlier receipt came: ask the same node. On this rests that nothing is paid twice.
type Sender interface {
	// Height is the newest executed height.
	Height(ctx context.Context) (chain.Height, error)
	// Sequence is the last executed sequence of an institution's channel, 0 if there is none.
	Sequence(ctx context.Context, institution chain.InstitutionNo, channel uint8) (uint64, error)
	// Nonce is the highest used nonce of an account, 0 if there is none.
	Nonce(ctx context.Context, account chain.AccountNo) (uint64, error)

	// SignBatch signs with the institution's key that the header names.
	SignBatch(h chain.BatchHeader, legs []chain.Leg) (*client.SignedBatch, error)
	// SignTx signs with the key that the transaction names. The result is the codec's encoding of a signed transaction.
	SignTx(tx chain.Tx) ([]byte, error)

	// SendBatch hands a batch over, in the order of calls, and does not wait for its fate: wait does, until the context's
	// end or the transport's own limit, with an outcome for each leg. The bytes do not change.
	SendBatch(ctx context.Context, b *client.SignedBatch) (wait func() (BatchFate, error), err error)
	// SendTxs does the same for up to TxsPerMessage transactions, with a fate for each.
	SendTxs(ctx context.Context, signed [][]byte) (wait func() ([]TxFate, error), err error)

	// FindBatch looks an executed batch up by its id. One that did not use up its sequence is NotFound.
	FindBatch(ctx context.Context, id chain.Hash) (BatchFate, error)
	// FindTx looks an executed transaction up by its id. One that did not use up its nonce is NotFound.
	FindTx(ctx context.Context, id chain.Hash) (TxFate, error)
}

// BatchFate is the certified fate of a batch.
type BatchFate struct {
	Height   chain.Height
	Outcomes []chain.Outcome // for each leg
}

// TxFate is the certified fate of a transaction, or why it was not admitted.
type TxFate struct {
	Height  chain.Height
	Outcome chain.Outcome
	Refused error
}

// voided reports an outcome that says: not executed now, nor ever later. It may have been executed before.
func voided(o chain.Outcome) bool {
	return o == chain.Stale || o == chain.Expired || o == chain.NonceUsed
}
