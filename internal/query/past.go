// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
)

// LegsMax bounds the records that Legs proves at once.
const LegsMax = 512

// Transaction finds a single transaction by its id, or a leg by its leg id. Bytes are empty when the payload was
// recycled; asking for a proof of it is Pruned then. Without bytes only the first store.TxPrefixBytes of a transaction's id
// could be compared: nobody meets another one by accident, but only a proof excludes it.
func (q *Query) Transaction(_ context.Context, id [32]byte, proof bool) (*Transaction, error) {
	t := &Transaction{ID: id}
	var err error
	t.Receipt, t.Item, err = q.history.TxReceipt(id)
	if fault.Is(err, fault.NotFound) {
		t.Leg = true
		t.Receipt, t.Item, err = q.history.Leg(id)
	}
	if err != nil {
		return nil, err
	}
	return q.complete(t, proof)
}

// complete fills in what became of a transaction whose place is known, and its bytes.
func (q *Query) complete(t *Transaction, proof bool) (*Transaction, error) {
	outcomes, err := codec.UnpackOutcomes(t.Receipt.Outcomes)
	if err != nil || int(t.Item) >= len(outcomes.Codes) {
		return nil, fault.New(fault.Corrupt, "the outcomes of batch %s do not have item %d", t.Receipt.Batch, t.Item)
	}
	t.Outcome = outcomes.Codes[t.Item]
	if t.Leg != (len(outcomes.Results) == 0) {
		return nil, fault.New(fault.Corrupt, "the lookup of %s leads to batch %s, which is of another kind", chain.Hash(t.ID), t.Receipt.Batch)
	}
	if !t.Leg {
		t.Result = outcomes.Results[t.Item]
	}
	return t, q.attach(t, proof)
}

// ProveTx proves what stands at an item of the batch of single transactions that has a receipt. Unlike Transaction it needs no
// lookup by id, which exists only for transactions that used up their nonce.
func (q *Query) ProveTx(_ context.Context, r *chain.Receipt, item uint32) (*Proof, error) {
	payload, err := q.history.Payload(r.Location)
	if err != nil {
		return nil, err
	}
	front, span, err := spansOf(payload, false, item)
	if err != nil {
		return nil, err
	}
	return prove(payload, r.Batch, front, span)
}

// attach reads the transaction's bytes from its payload, and proves them if asked to.
func (q *Query) attach(t *Transaction, proof bool) error {
	payload, err := q.history.Payload(t.Receipt.Location)
	if fault.Is(err, fault.Pruned) && !proof {
		return nil
	}
	if err != nil {
		return err
	}
	front, item, err := spansOf(payload, t.Leg, t.Item)
	if err != nil {
		return err
	}
	if item.offset+item.length > uint64(len(payload)) {
		return fault.New(fault.Corrupt, "the payload of batch %s has %d bytes, none for item %d", t.Receipt.Batch, len(payload), t.Item)
	}
	t.Bytes = append([]byte(nil), payload[item.offset:item.offset+item.length]...)
	if !t.Leg {
		if _, id, err := codec.DecodeSignedTx(t.Bytes); err != nil || id != t.ID {
			return fault.New(fault.NotFound, "transaction %s was not executed here", chain.Hash(t.ID))
		}
	}
	if t.Leg && t.Outcome == chain.OK {
		if err := t.findOrigin(payload); err != nil {
			return err
		}
	}
	if !proof {
		return nil
	}
	t.Proof, err = prove(payload, t.Receipt.Batch, front, item)
	return err
}

// findOrigin looks for the second leg of a change, behind the transaction.
func (t *Transaction) findOrigin(payload []byte) error {
	batch, err := chain.ParseBatch(payload)
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "the payload of batch %s", t.Receipt.Batch)
	}
	if o, ok := history.ChangeOrigin(batch, int(t.Item)); ok {
		t.Origin = &o
	}
	return nil
}

type span struct{ offset, length uint64 }

// spansOf is where a payload's front and one of its items lie.
func spansOf(payload []byte, leg bool, i uint32) (front, item span, err error) {
	if leg {
		item.offset, item.length = codec.LegSpan(i)
		return span{0, chain.BatchHeaderBytes}, item, nil
	}
	item.offset, item.length, err = codec.TxSpan(payload, i)
	if err != nil {
		return front, item, fault.Wrap(fault.Corrupt, err, "the payload")
	}
	first, _, err := codec.TxSpan(payload, 0) // the table ends where the first transaction begins
	return span{0, first}, item, fault.Wrap(fault.Corrupt, err, "the payload")
}

func prove(payload []byte, id chain.Hash, front, item span) (*Proof, error) {
	slices, root := codec.NewSlices(payload)
	if root != id {
		return nil, fault.New(fault.Corrupt, "the payload of batch %s does not hash to it", id)
	}
	p := &Proof{}
	var err error
	if p.Front, err = slices.Slice(front.offset, front.length); err != nil {
		return nil, err
	}
	p.Item, err = slices.Slice(item.offset, item.length)
	return p, err
}

// Batch finds a client batch.
func (q *Query) Batch(_ context.Context, id chain.Hash) (chain.Receipt, error) {
	return q.history.Receipt(id)
}

// Legs finds count records of a client batch from leg from on, under one proof.
func (q *Query) Legs(_ context.Context, id chain.Hash, from, count uint32) (*Legs, error) {
	r, err := q.history.Receipt(id)
	if err != nil {
		return nil, err
	}
	if count == 0 || count > LegsMax || uint64(from)+uint64(count) > uint64(r.Location.Legs) || r.Location.Kind != chain.PayloadBatch {
		return nil, fault.New(fault.Invalid, "legs %d to %d of a batch of %d: ask for 1 to %d that exist", from, uint64(from)+uint64(count), r.Location.Legs, LegsMax)
	}
	payload, err := q.history.Payload(r.Location)
	if err != nil {
		return nil, err
	}
	offset, _ := codec.LegSpan(from)
	item := span{offset, uint64(count) * chain.LegBytes}
	if item.offset+item.length > uint64(len(payload)) {
		return nil, fault.New(fault.Corrupt, "the payload of batch %s has %d bytes and ends before leg %d", id, len(payload), from+count)
	}
	proof, err := prove(payload, id, span{0, chain.BatchHeaderBytes}, item)
	if err != nil {
		return nil, err
	}
	return &Legs{Receipt: r, Records: payload[offset : offset+item.length], Proof: *proof}, nil
}

// Block reads a block; height 0 is the newest.
func (q *Query) Block(_ context.Context, h chain.Height) (*Block, error) {
	c, err := q.history.Block(h)
	if err != nil {
		return nil, err
	}
	b := &Block{Header: c.Header, Hash: c.Hash, HeaderBytes: c.HeaderBytes, CertBytes: c.CertBytes}
	for i, line := range c.Header.Batches {
		b.Batches = append(b.Batches, BlockBatch{Batch: line.Batch, Kind: c.Batches[i].Location.Kind, Legs: line.Legs, LegsOK: c.Batches[i].LegsOK})
	}
	return b, nil
}
