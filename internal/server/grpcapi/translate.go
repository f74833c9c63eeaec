// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/query"
)

func certified(header, certificate []byte) *ledgerv1.Certified {
	return &ledgerv1.Certified{Header: header, Certificate: certificate}
}

func batchReceipt(r *chain.Receipt, first bool) *ledgerv1.BatchReceipt {
	return &ledgerv1.BatchReceipt{
		Batch:      r.Batch[:],
		Height:     uint64(r.Location.Height),
		BatchIndex: r.Location.Index,
		Outcomes:   r.Outcomes,
		Certified:  certified(r.Header, r.Certificate),
		First:      first,
	}
}

func txReceipt(r *chain.Receipt, id [32]byte, item uint32) (*ledgerv1.TransactionReceipt, error) {
	outcomes, err := unpack(r)
	if err != nil {
		return nil, err
	}
	code, result, err := outcomeAt(outcomes, item)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.TransactionReceipt{
		Id:          id[:],
		Height:      uint64(r.Location.Height),
		BatchIndex:  r.Location.Index,
		Item:        item,
		Outcome:     uint32(code),
		OutcomeName: code.String(),
		Result:      result,
		Certified:   certified(r.Header, r.Certificate),
		Outcomes:    r.Outcomes,
	}, nil
}

// unpack reads the outcomes that the node itself stored: what does not decode is its own damage, not the caller's.
func unpack(r *chain.Receipt) (codec.Outcomes, error) {
	o, err := codec.UnpackOutcomes(r.Outcomes)
	return o, fault.Wrap(fault.Corrupt, err, "the outcomes of batch %s", r.Batch)
}

func outcomeAt(o codec.Outcomes, item uint32) (code chain.Outcome, result uint32, err error) {
	if uint64(item) >= uint64(len(o.Codes)) {
		return 0, 0, fault.New(fault.Corrupt, "there are %d outcomes, none for item %d", len(o.Codes), item)
	}
	if len(o.Results) > 0 {
		result = o.Results[item]
	}
	return o.Codes[item], result, nil
}

func proof(p *query.Proof) *ledgerv1.Proof {
	if p == nil {
		return nil
	}
	return &ledgerv1.Proof{Front: p.Front, Item: p.Item}
}

func block(b *query.Block) *ledgerv1.Block {
	out := &ledgerv1.Block{
		Height:    uint64(b.Header.Height),
		Hash:      b.Hash[:],
		TimeUs:    b.Header.TimeUs,
		Certified: certified(b.HeaderBytes, b.CertBytes),
	}
	for i := range b.Batches {
		k := &b.Batches[i]
		out.Batches = append(out.Batches, &ledgerv1.BlockBatch{
			Batch: k.Batch[:], ClientBatch: k.Kind == chain.PayloadBatch, Legs: k.Legs, LegsOk: k.LegsOK,
		})
	}
	return out
}

func account(a *query.Account) *ledgerv1.Account {
	return &ledgerv1.Account{
		Number:      uint32(a.Number),
		Address:     a.Address[:],
		Institution: uint32(a.Institution),
		Key:         uint32(a.Key),
		Frozen:      a.Frozen,
		Slot:        uint32(a.Slot),
		Nonce:       a.Nonce,
	}
}

func holding(h *query.Holding) *ledgerv1.Holding {
	return &ledgerv1.Holding{Asset: uint32(h.Asset), AssetCode: h.Code, Scale: uint32(h.Scale), Amount: h.Amount.String()}
}

func stateProof(p *query.StateProof) *ledgerv1.StateProof {
	out := &ledgerv1.StateProof{
		Certified:  certified(p.HeaderBytes, p.CertBytes),
		RootHeight: uint64(p.RootHeight),
		Account:    account(&p.Account),
	}
	for i := range p.Pages {
		g := &p.Pages[i]
		out.Pages = append(out.Pages, &ledgerv1.PageProof{Section: g.Section, Record: g.Record, Page: g.Page, Path: g.Path})
	}
	if len(p.Account.Holdings) > 0 {
		out.Holding = holding(&p.Account.Holdings[0])
	}
	return out
}

func asset(a *query.Asset) *ledgerv1.Asset {
	return &ledgerv1.Asset{
		Height:    uint64(a.Height),
		Number:    uint32(a.Number),
		Code:      a.Code,
		Name:      a.Name,
		Scale:     uint32(a.Scale),
		Portable:  a.Flags&chain.AssetPortable != 0,
		Versioned: a.Flags&chain.AssetVersioned != 0,
		Dense:     a.Flags&chain.AssetDense != 0,
		Frozen:    a.Frozen,
		Issuer:    uint32(a.Issuer),
		Supply:    a.Supply.String(),
	}
}

func institution(i *query.Institution) *ledgerv1.Institution {
	out := &ledgerv1.Institution{
		Height:          uint64(i.Height),
		Number:          uint32(i.Number),
		Name:            i.Name,
		HouseAccount:    uint32(i.House),
		ChannelSequence: i.ChannelSequence,
	}
	for _, k := range i.Keys {
		out.Keys = append(out.Keys, &ledgerv1.Key{Number: uint32(k.Number), PublicKey: k.Public, Active: k.Active, Delegated: k.Delegated})
	}
	return out
}

func changeOrigin(o *chain.SyncOrigin) *ledgerv1.Origin {
	if o == nil {
		return nil
	}
	return &ledgerv1.Origin{TimeMs: o.TimeMs, Round: o.Height, Place: o.Place, Outcome: uint32(o.Outcome)}
}

func transfer(t *query.Transfer) *ledgerv1.Transfer {
	out := &ledgerv1.Transfer{
		Id:         t.ID[:],
		Height:     uint64(t.Height),
		BatchIndex: t.Index,
		Item:       t.Item,
		From:       uint32(t.From),
		To:         uint32(t.To),
		Asset:      uint32(t.Asset),
		Amount:     t.Amount.String(),
		Kind:       t.Kind,
		Outcome:    uint32(t.Outcome),
		Reference:  t.Reference[:],
		TimeUs:     t.TimeUs,
	}
	if o := t.Origin; o != (history.Origin{}) {
		out.Origin = &ledgerv1.Origin{TimeMs: o.Ms, Round: o.Round, Place: o.Place, Outcome: uint32(t.Outcome)}
	}
	return out
}

// each translates a list.
func each[T, U any](items []T, translate func(*T) *U) []*U {
	out := make([]*U, len(items))
	for i := range items {
		out[i] = translate(&items[i])
	}
	return out
}
