// SPDX-License-Identifier: Apache-2.0

package history

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Transfer is one leg or money-moving single transaction with its fate, as lists, events and the index show it.
//
// From and To are what the item itself says. A single transaction names one of them: the sender is From, except of a void,
// whose sender is the payee. An issue has its issuer as From; a redemption has no To. Posts and voids have their hold's id
// as Reference, and an amount of 0 where the item gives none.
type Transfer struct {
	ID        [32]byte // leg id, or transaction id
	Height    chain.Height
	Index     uint32 // place of its batch in the block
	Item      uint32 // place in its batch
	From, To  chain.AccountNo
	Asset     chain.AssetNo
	Amount    chain.Amount
	Kind      string // transfer, hold, post, void, issue, redeem
	Outcome   chain.Outcome
	Reference [32]byte
	TimeUs    uint64 // of the block
	Origin    Origin // zero: it did not come from V10 by sync
}

// Origin is V10's id of a transaction that V10 made and the sync brought.
type Origin struct {
	Ms    uint64 // since 1970
	Round uint64 // 0: V10 refused an order without a place in a round, so it has no id there
	Place uint32
}

// Touches reports whether a transfer passes a filter, of which zeros mean any.
func (t *Transfer) Touches(account chain.AccountNo, asset chain.AssetNo) bool {
	return (account == 0 || t.From == account || t.To == account) && (asset == 0 || t.Asset == asset)
}

// The kinds of Transfer.
const (
	KindTransfer = "transfer"
	KindHold     = "hold"
	KindPost     = "post"
	KindVoid     = "void"
	KindIssue    = "issue"
	KindRedeem   = "redeem"
	KindUnknown  = "unknown"
	// Of what V10 made before the copy alone.
	KindOpenAccount = "open_account"
	KindCreateAsset = "create_asset"
)

var legKinds = [...]string{
	chain.LegTransfer: KindTransfer, chain.LegHold: KindHold, chain.LegPost: KindPost, chain.LegVoid: KindVoid,
	chain.LegIssue: KindIssue, chain.LegRedeem: KindRedeem, chain.LegRefused: KindTransfer,
}

// moves reports whether a change of V10's is a transfer. Balances that the initial copy brings are none: what made them is imported history.
func moves(k chain.LegKind, o *chain.SyncOrigin) bool { return !k.Silent() && !o.Position.Copying() }

// Header reads an executed header and its hash.
func (h *History) Header(height chain.Height) (*chain.ExecutedHeader, chain.Hash, error) {
	header, raw, err := h.header(height)
	if err != nil {
		return nil, chain.Hash{}, err
	}
	return header, codec.Sum(raw), nil
}

// Transfers calls each for every transfer of a block, in order. It reads one payload at a time, and reuses the Transfer it
// passes. Pruned means that retention recycled a payload; each may have been called for batches before it.
func (h *History) Transfers(height chain.Height, each func(*Transfer) error) error {
	header, _, err := h.header(height)
	if err != nil {
		return err
	}
	for i := range header.Batches {
		if err := h.BatchTransfers(header, uint32(i), each); err != nil {
			return err
		}
	}
	return nil
}

// BatchTransfers calls each for every transfer of one batch of the block with a header, in order. It reuses the Transfer it
// passes.
func (h *History) BatchTransfers(header *chain.ExecutedHeader, index uint32, each func(*Transfer) error) error {
	if int(index) >= len(header.Batches) {
		return fault.New(fault.NotFound, "block %d has no batch %d", header.Height, index)
	}
	place, err := h.Place(header.Height, index)
	if err != nil {
		return err
	}
	_, outcomes, err := h.outcomes(header.Height, index)
	if err != nil {
		return err
	}
	payload, err := h.Payload(place)
	if err != nil {
		return err
	}
	b := batchRows{header: header, index: index, payload: payload, codes: outcomes.Codes, each: each}
	if place.Kind == chain.PayloadBatch {
		err = b.legs()
	} else {
		err = b.txs()
	}
	return err
}

type batchRows struct {
	header  *chain.ExecutedHeader
	index   uint32
	payload []byte
	codes   []chain.Outcome
	each    func(*Transfer) error
}

func (b *batchRows) corrupt(err error, what string) error {
	return fault.Wrap(fault.Corrupt, err, "%s of batch %d of block %d", what, b.index, b.header.Height)
}

func (b *batchRows) legs() error {
	batch, err := chain.ParseBatch(b.payload)
	if err == nil && batch.Len() != len(b.codes) {
		err = fault.New(fault.Corrupt, "%d legs have %d outcomes", batch.Len(), len(b.codes))
	}
	if err != nil {
		return b.corrupt(err, "payload")
	}
	if batch.Header().Flags&chain.FlagSync != 0 {
		return b.changes(batch)
	}
	for i := range batch.Len() {
		l, t := batch.Leg(i), b.row(i)
		t.FillLeg(&l)
		if err := b.each(&t); err != nil {
			return err
		}
	}
	return nil
}

// row is what is known of a leg without its record.
func (b *batchRows) row(i int) Transfer {
	return Transfer{
		ID: chain.NewLegID(b.header.Batches[b.index].Batch, uint32(i)), Height: b.header.Height, Index: b.index, Item: uint32(i),
		Outcome: b.codes[i], TimeUs: b.header.TimeUs,
	}
}

// changes are the transfers that V10 made. What could not be applied is none: it waits, and comes again in a later batch.
func (b *batchRows) changes(batch chain.Batch) error {
	for i := 0; i+1 < batch.Len(); i += chain.SyncRecordLegs {
		l := batch.Leg(i)
		o, ok := ChangeOrigin(batch, i)
		if !ok || b.codes[i] != chain.OK || !moves(l.Kind, &o) {
			continue
		}
		t := b.row(i)
		t.FillLeg(&l)
		t.FillOrigin(&o)
		if err := b.each(&t); err != nil {
			return err
		}
	}
	return nil
}

func (b *batchRows) txs() error {
	signed, err := codec.SplitTxBatch(b.payload)
	if err == nil && len(signed) != len(b.codes) {
		err = fault.New(fault.Corrupt, "%d transactions have %d outcomes", len(signed), len(b.codes))
	}
	if err != nil {
		return b.corrupt(err, "payload")
	}
	for i, raw := range signed {
		tx, id, err := codec.DecodeSignedTx(raw)
		if err != nil {
			continue // a lane may hold what does not decode; it has an outcome and moves nothing
		}
		t := Transfer{
			ID: id, Height: b.header.Height, Index: b.index, Item: uint32(i), From: tx.Sender,
			Outcome: b.codes[i], TimeUs: b.header.TimeUs,
		}
		if !t.fromBody(tx.Body) {
			continue
		}
		if err := b.each(&t); err != nil {
			return err
		}
	}
	return nil
}

// fromBody fills in what a transaction's body says; false if it moves no money.
func (t *Transfer) fromBody(body chain.Body) bool {
	switch b := body.(type) {
	case *chain.Transfer:
		t.Kind, t.To, t.Asset, t.Amount, t.Reference = KindTransfer, b.To, b.Asset, b.Amount, b.Reference
	case *chain.Hold:
		t.Kind, t.To, t.Asset, t.Amount, t.Reference = KindHold, b.To, b.Asset, b.Amount, b.Reference
	case *chain.Issue:
		t.Kind, t.To, t.Asset, t.Amount, t.Reference = KindIssue, b.To, b.Asset, b.Amount, b.Reference
	case *chain.Redeem:
		t.Kind, t.Asset, t.Amount, t.Reference = KindRedeem, b.Asset, b.Amount, b.Reference
	case *chain.Post:
		t.Kind, t.Amount, t.Reference = KindPost, b.Amount, b.Hold
	case *chain.Void:
		t.Kind, t.Reference, t.From, t.To = KindVoid, b.Hold, 0, t.From
	default:
		return false
	}
	return true
}
