// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/intake"
	"github.com/aurigraph/aurigraph/internal/query"
)

// deskChain is the ledger as the node's own custody desk sees it: the way in, and the readers, without a wire in between.
type deskChain struct {
	query  *query.Query
	intake *intake.Intake
}

var _ custody.Chain = deskChain{}

// Height is the newest certified height.
func (c deskChain) Height(context.Context) (chain.Height, error) { return c.query.Height(), nil }

// SubmitBatch submits a batch and waits for its certificate.
func (c deskChain) SubmitBatch(ctx context.Context, b *custody.Batch) (*custody.BatchFate, error) {
	buf, err := c.intake.Buffer(ctx, len(b.Bytes))
	if err != nil {
		return nil, err
	}
	copy(buf.Payload(), b.Bytes)
	t, err := c.intake.SubmitBatch(ctx, buf, b.Signature)
	if err != nil {
		return nil, err
	}
	if err := awaitTicket(ctx, t.Done()); err != nil {
		return nil, err
	}
	r, _, err := t.Receipt()
	if err != nil {
		return nil, err
	}
	return batchFate(&r)
}

// awaitTicket waits for the fate of what was admitted: before that, nobody knows it.
func awaitTicket(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "wait for the certificate")
	}
}

// batchFate reads a receipt. One that cannot be read leaves the fate unknown.
func batchFate(r *chain.Receipt) (*custody.BatchFate, error) {
	h, err := codec.DecodeHeader(r.Header)
	if err != nil {
		return nil, fault.Wrap(fault.Timeout, err, "read a receipt")
	}
	o, err := codec.UnpackOutcomes(r.Outcomes)
	if err != nil {
		return nil, fault.Wrap(fault.Timeout, err, "read a receipt")
	}
	return &custody.BatchFate{Height: h.Height, TimeUs: h.TimeUs, Index: r.Location.Index, Outcomes: o.Codes}, nil
}

// SubmitTxs submits transactions and waits for their certificates.
func (c deskChain) SubmitTxs(ctx context.Context, signed [][]byte) []custody.TxAnswer {
	own := make([][]byte, len(signed))
	for i, raw := range signed {
		own[i] = append([]byte(nil), raw...) // the door takes them over, and the desk may send them again
	}
	out := make([]custody.TxAnswer, len(signed))
	for i, t := range c.intake.SubmitTxs(ctx, own) {
		out[i].TxFate, out[i].Err = txFate(ctx, t)
	}
	return out
}

func txFate(ctx context.Context, t *intake.TxTicket) (f custody.TxFate, err error) {
	if err := t.Refused(); err != nil {
		return f, err
	}
	if err := awaitTicket(ctx, t.Done()); err != nil {
		return f, err
	}
	r, _, err := t.Receipt()
	if err != nil {
		return f, err
	}
	b, err := batchFate(&r)
	if err != nil {
		return f, err
	}
	o, err := codec.UnpackOutcomes(r.Outcomes)
	item := t.Item()
	if err != nil || int(item) >= len(o.Codes) || int(item) >= len(o.Results) {
		return f, fault.New(fault.Timeout, "the receipt of a transaction does not have item %d", item)
	}
	return custody.TxFate{Height: b.Height, TimeUs: b.TimeUs, Index: b.Index, Item: item, Outcome: o.Codes[item], Result: o.Results[item]}, nil
}

// reached is TryLater unless what is answered holds at a height or later.
func reached(at, after chain.Height) error {
	if at < after {
		return fault.New(fault.TryLater, "the node is at height %d, and was asked for what is true at %d", at, after)
	}
	return nil
}

// FindBatch finds an executed batch.
func (c deskChain) FindBatch(ctx context.Context, id chain.Hash, after chain.Height) (*custody.BatchFate, error) {
	if err := reached(c.query.Height(), after); err != nil {
		return nil, err
	}
	r, err := c.query.Batch(ctx, id)
	if err != nil {
		return nil, err
	}
	return batchFate(&r)
}

// Account finds an account.
func (c deskChain) Account(ctx context.Context, name custody.AccountName) (*custody.Account, error) {
	a, err := c.query.Account(ctx, query.AccountName(name), noAsset)
	if err != nil {
		return nil, err
	}
	return &custody.Account{Number: a.Number, Address: a.Address, Institution: a.Institution, Slot: a.Slot, Nonce: a.Nonce}, nil
}

// Homes says which slots V10 owns.
func (c deskChain) Homes(ctx context.Context, last custody.Homes) (custody.Homes, error) {
	before, _ := last.(*query.Homes)
	h, err := c.query.Homes(ctx, before)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// noAsset asks for an account with all its holdings.
const noAsset chain.AssetNo = 0

// Asset finds an asset by its code.
func (c deskChain) Asset(ctx context.Context, code string) (*custody.Asset, error) {
	a, err := c.query.AssetByCode(ctx, code)
	if err != nil {
		return nil, err
	}
	return &custody.Asset{Number: a.Number, Code: a.Code, Name: a.Name, Scale: a.Scale, Issuer: a.Issuer, Flags: a.Flags}, nil
}

// Institution finds an institution and the last sequence of a channel.
func (c deskChain) Institution(ctx context.Context, no chain.InstitutionNo, channel uint8) (*custody.Institution, error) {
	in, err := c.query.Institution(ctx, no, channel)
	if err != nil {
		return nil, err
	}
	return &custody.Institution{Height: in.Height, House: in.House, Sequence: in.ChannelSequence}, nil
}

// Keyed finds the payment that an idempotency key stands for.
func (c deskChain) Keyed(ctx context.Context, no chain.InstitutionNo, key chain.IdempotencyKey, after chain.Height) (*custody.KeyedFate, error) {
	k, err := c.query.Keyed(ctx, no, key)
	if err != nil {
		return nil, err
	}
	if err := reached(k.Height, after); err != nil {
		return nil, err
	}
	if !k.Found {
		return nil, fault.New(fault.NotFound, "the key is not known")
	}
	out := &custody.KeyedFate{Height: k.At.Height, TimeUs: k.TimeUs, Index: k.At.Index, Item: k.At.Item, Outcome: k.Outcome}
	t, err := c.query.TransactionAt(ctx, k.At, false)
	if fault.Is(err, fault.Pruned) || err == nil && len(t.Bytes) == 0 {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	if !t.Leg {
		return nil, fault.New(fault.Corrupt, "an idempotency key stands for what is no leg")
	}
	leg := chain.ReadLeg(t.Bytes)
	out.Body, out.BodyKnown = [16]byte(leg.Reference[16:]), true
	return out, nil
}
