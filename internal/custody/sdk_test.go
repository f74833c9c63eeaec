// SPDX-License-Identifier: Apache-2.0

package custody_test

import (
	"context"
	"errors"
	"sync"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// sdk is custody.Chain over the client SDK and one node. What certifies is verified.
type sdk struct{ *client.Client }

func (s sdk) Height(ctx context.Context) (chain.Height, error) {
	st, err := s.Status(ctx)
	if err != nil {
		return 0, err
	}
	return st.Height, nil
}

// SubmitBatch cannot tell what a broken stream took.
func (s sdk) SubmitBatch(ctx context.Context, b *custody.Batch) (*custody.BatchFate, error) {
	lost := func(err error) (*custody.BatchFate, error) {
		return nil, fault.Wrap(fault.Timeout, err, "submit a batch")
	}
	stream, err := s.OpenBatchStream(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if err := stream.Send(1, &client.SignedBatch{ID: b.ID, Bytes: b.Bytes, Signature: b.Signature}); err != nil {
		return lost(err)
	}
	a, err := stream.Recv()
	switch {
	case err != nil:
		return lost(err)
	case a.Refused != nil:
		return nil, a.Refused
	}
	return fateOf(a.Receipt)
}

func fateOf(r *client.BatchReceipt) (*custody.BatchFate, error) {
	o, err := r.Outcomes()
	if err != nil {
		return nil, fault.Wrap(fault.Timeout, err, "read the outcomes")
	}
	return &custody.BatchFate{Height: r.Height, TimeUs: r.Header.TimeUs, Index: r.BatchIndex, Outcomes: o.Codes}, nil
}

func (s sdk) SubmitTxs(ctx context.Context, signed [][]byte) []custody.TxAnswer {
	out := make([]custody.TxAnswer, len(signed))
	var wg sync.WaitGroup
	for i, raw := range signed {
		wg.Go(func() {
			t, err := s.SubmitTx(ctx, raw)
			if err != nil {
				out[i].Err = err
				return
			}
			out[i].TxFate = custody.TxFate{Height: t.Height, TimeUs: t.Header.TimeUs, Index: t.BatchIndex, Item: t.Item, Outcome: t.Outcome, Result: t.Result}
		})
	}
	wg.Wait()
	return out
}

func (s sdk) FindBatch(ctx context.Context, id chain.Hash, after chain.Height) (*custody.BatchFate, error) {
	h, err := s.Height(ctx)
	if err == nil && h < after {
		err = fault.New(fault.TryLater, "the node is behind")
	}
	if err != nil {
		return nil, err
	}
	r, err := s.Batch(ctx, id)
	if err != nil {
		return nil, err
	}
	return fateOf(r)
}

func (s sdk) Account(ctx context.Context, name custody.AccountName) (*custody.Account, error) {
	a, err := s.Client.Account(ctx, client.AccountName{Number: name.Number, Address: name.Address, AliasTag: name.AliasTag}, 0, false)
	if err != nil {
		return nil, err
	}
	return &custody.Account{Number: a.Number, Address: a.Address, Institution: a.Institution, Nonce: a.Nonce}, nil
}

// noHomes is the table of a network without a V10.
type noHomes struct{}

func (noHomes) OnV10(uint16) bool { return false }
func (noHomes) Any() bool         { return false }
func (noHomes) Migrating() bool   { return false }

func (s sdk) Homes(context.Context, custody.Homes) (custody.Homes, error) { return noHomes{}, nil }

func (s sdk) Asset(ctx context.Context, code string) (*custody.Asset, error) {
	a, err := s.AssetByCode(ctx, code)
	if err != nil {
		return nil, err
	}
	return &custody.Asset{Number: a.Number, Code: a.Code, Name: a.Name, Scale: a.Scale, Issuer: a.Issuer}, nil
}

func (s sdk) Institution(ctx context.Context, no chain.InstitutionNo, channel uint8) (*custody.Institution, error) {
	in, err := s.Client.Institution(ctx, no, channel)
	if err != nil {
		return nil, err
	}
	return &custody.Institution{Height: in.Height, House: in.House, Sequence: in.ChannelSequence}, nil
}

func (s sdk) Keyed(ctx context.Context, no chain.InstitutionNo, key chain.IdempotencyKey, after chain.Height) (*custody.KeyedFate, error) {
	k, err := s.Client.Keyed(ctx, no, key)
	switch {
	case err != nil:
		return nil, err
	case k.Height < after:
		return nil, fault.New(fault.TryLater, "the node is behind")
	case !k.Found:
		return nil, fault.New(fault.NotFound, "the key is not known")
	}
	out := &custody.KeyedFate{Height: k.At.Height, TimeUs: k.TimeUs, Index: k.At.BatchIndex, Item: k.At.Item, Outcome: k.Outcome}
	t, err := s.TransactionAt(ctx, k.At, true)
	if err != nil {
		if fault.Is(err, fault.Pruned) {
			return out, nil
		}
		return nil, err
	}
	leg, err := t.LegRecord()
	if err != nil {
		return nil, errors.Join(fault.New(fault.Corrupt, "a key stands for what is no leg"), err)
	}
	out.Body, out.BodyKnown = [16]byte(leg.Reference[16:]), true
	return out, nil
}
