// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// Place is where one transaction or leg was executed.
type Place struct {
	Height chain.Height
	Index  uint32 // of the batch in its block
	Item   uint32 // in its batch
}

// Keyed says, as of Height, whether an idempotency key lives, and what became of the first leg under it.
type Keyed struct {
	Height  chain.Height // certified
	Found   bool
	At      Place
	Outcome chain.Outcome
	TimeUs  uint64 // of the block At.Height
}

// Keyed looks an idempotency key of an institution up. One that is not found was never used, used only by what left no trace
// (docs/outcomes.md), or given up meanwhile; a height below that of an answer in which the key was used says nothing.
func (q *Query) Keyed(ctx context.Context, institution chain.InstitutionNo, key chain.IdempotencyKey) (*Keyed, error) {
	if key.IsZero() {
		return nil, fault.New(fault.Invalid, "key: all zero is no idempotency key")
	}
	k := &Keyed{}
	height, err := q.view(ctx, func(l *ledger.Ledger) error {
		v, found := l.Keyed(institution, key)
		*k = Keyed{Found: found, At: Place{v.Height, v.Index, v.Item}, Outcome: v.Outcome, TimeUs: v.TimeUs}
		return nil
	})
	if err != nil {
		return nil, err
	}
	k.Height = height
	return k, nil
}

// TransactionAt finds the transaction or leg at a place, and answers like Transaction. Unlike there, it also finds what did not use up
// its nonce or sequence. NotFound: the place does not exist, or holds bytes that are no transaction. The id of a single transaction
// is read from its payload: Pruned when that was recycled.
func (q *Query) TransactionAt(_ context.Context, at Place, proof bool) (*Transaction, error) {
	r, err := q.history.ReceiptAt(at.Height, at.Index)
	if err != nil {
		return nil, err
	}
	if at.Item >= r.Location.Legs {
		return nil, fault.New(fault.NotFound, "batch %d of block %d has %d items, none is number %d", at.Index, at.Height, r.Location.Legs, at.Item)
	}
	t := &Transaction{Receipt: r, Item: at.Item, Leg: r.Location.Kind == chain.PayloadBatch}
	if t.Leg {
		t.ID = chain.NewLegID(r.Batch, at.Item)
	} else if t.ID, err = q.txIDAt(&r, at.Item); err != nil {
		return nil, err
	}
	return q.complete(t, proof)
}

// txIDAt reads the id of a single transaction.
func (q *Query) txIDAt(r *chain.Receipt, item uint32) (chain.Hash, error) {
	payload, err := q.history.Payload(r.Location)
	if err != nil {
		return chain.Hash{}, err
	}
	_, span, err := spansOf(payload, false, item)
	if err != nil {
		return chain.Hash{}, err
	}
	if span.offset+span.length > uint64(len(payload)) {
		return chain.Hash{}, fault.New(fault.Corrupt, "the payload of batch %s has %d bytes, none for item %d", r.Batch, len(payload), item)
	}
	_, id, err := codec.DecodeSignedTx(payload[span.offset : span.offset+span.length])
	if err != nil {
		return chain.Hash{}, fault.New(fault.NotFound, "item %d of batch %s holds bytes that are no transaction", item, r.Batch)
	}
	return id, nil
}
