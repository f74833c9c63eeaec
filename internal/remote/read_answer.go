// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"math"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
)

// each reads a list.
func each[A, T any](items []*A, read func(*A) (*T, error)) ([]T, error) {
	out := make([]T, 0, len(items))
	for _, one := range items {
		v, err := read(one)
		if err != nil {
			return nil, err
		}
		out = append(out, *v)
	}
	return out, nil
}

func accountOf(a *ledgerv1.Account) (*query.Account, error) {
	if len(a.GetAddress()) != len(chain.Address{}) {
		return nil, malformed("an address has %d bytes", len(a.GetAddress()))
	}
	return &query.Account{
		Number: chain.AccountNo(a.Number), Address: chain.Address(a.Address), Institution: chain.InstitutionNo(a.Institution), Key: chain.KeyNo(a.Key),
		Frozen: a.Frozen, Slot: uint16(a.Slot), Nonce: a.Nonce,
	}, nil
}

func holdingOf(h *ledgerv1.Holding) (*query.Holding, error) {
	units, err := chain.ParseAmount(h.GetAmount(), 0)
	if err != nil {
		return nil, malformed("%q is no amount", h.GetAmount())
	}
	return &query.Holding{Asset: chain.AssetNo(h.GetAsset()), Code: h.GetAssetCode(), Scale: uint8(h.GetScale()), Amount: units}, nil
}

func assetOf(a *ledgerv1.Asset) (*query.Asset, error) {
	supply, err := chain.ParseAmount(a.GetSupply(), 0)
	if err != nil {
		return nil, malformed("%q is no supply", a.GetSupply())
	}
	out := &query.Asset{
		Height: chain.Height(a.GetHeight()), Number: chain.AssetNo(a.GetNumber()), Code: a.GetCode(), Name: a.GetName(), Scale: uint8(a.GetScale()),
		Frozen: a.GetFrozen(), Issuer: chain.AccountNo(a.GetIssuer()), Supply: supply,
	}
	for flag, set := range map[chain.AssetFlags]bool{
		chain.AssetPortable: a.GetPortable(), chain.AssetVersioned: a.GetVersioned(), chain.AssetDense: a.GetDense(),
	} {
		if set {
			out.Flags |= flag
		}
	}
	return out, nil
}

func blockOf(b *ledgerv1.Block) (*query.Block, error) {
	header, err := codec.DecodeHeader(b.GetCertified().GetHeader())
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "a validator's block")
	}
	out := &query.Block{Header: header, Hash: codec.Sum(b.Certified.Header), HeaderBytes: b.Certified.Header, CertBytes: b.Certified.Certificate}
	out.Batches, err = each(b.Batches, func(x *ledgerv1.BlockBatch) (*query.BlockBatch, error) {
		batch, err := hashOf(x.GetBatch())
		k := &query.BlockBatch{Batch: batch, Kind: chain.PayloadTxs, Legs: x.GetLegs(), LegsOK: x.GetLegsOk()}
		if x.GetClientBatch() {
			k.Kind = chain.PayloadBatch
		}
		return k, err
	})
	return out, err
}

func hashOf(b []byte) (chain.Hash, error) {
	if len(b) != len(chain.Hash{}) {
		return chain.Hash{}, malformed("a hash has %d bytes", len(b))
	}
	return chain.Hash(b), nil
}

func transferOf(t *ledgerv1.Transfer) (*query.Transfer, error) {
	id, err := hashOf(t.GetId())
	if err != nil {
		return nil, err
	}
	reference, err := hashOf(t.GetReference())
	if err != nil {
		return nil, err
	}
	amount, err := chain.ParseAmount(t.GetAmount(), 0)
	if err != nil {
		return nil, malformed("%q is no amount", t.GetAmount())
	}
	out := &query.Transfer{
		ID: id, Height: chain.Height(t.Height), Index: t.BatchIndex, Item: t.Item, From: chain.AccountNo(t.From), To: chain.AccountNo(t.To),
		Asset: chain.AssetNo(t.Asset), Amount: amount, Kind: t.Kind, Outcome: chain.Outcome(t.Outcome), Reference: reference, TimeUs: t.TimeUs,
	}
	return out, fillOrigin(out, t.Origin)
}

// fillOrigin fills in where V10 made what came by sync, and what V10 decided.
func fillOrigin(t *query.Transfer, o *ledgerv1.Origin) error {
	if o == nil {
		return nil
	}
	if o.Outcome > math.MaxUint8 {
		return malformed("V10's outcome is %d", o.Outcome)
	}
	t.FillOrigin(&chain.SyncOrigin{Outcome: chain.Outcome(o.Outcome), TimeMs: o.TimeMs, Height: o.Round, Place: o.Place})
	return nil
}

func holdersOf(a *ledgerv1.ListHoldersResponse) (*query.Holders, error) {
	asset, err := assetOf(a.GetAsset())
	if err != nil {
		return nil, err
	}
	out := &query.Holders{Height: chain.Height(a.Height), Asset: *asset}
	out.Items, err = each(a.Holders, func(h *ledgerv1.Holder) (*query.Holder, error) {
		units, err := chain.ParseAmount(h.GetAmount(), 0)
		if err != nil {
			return nil, malformed("%q is no amount", h.GetAmount())
		}
		return &query.Holder{Account: chain.AccountNo(h.GetAccount()), Amount: units}, nil
	})
	return out, err
}

// placedOf reads what stands at a place.
func placedOf(a *ledgerv1.GetTransactionResponse, at query.Place) (*query.PlacedTransfer, error) {
	if len(a.GetTransaction()) == 0 {
		return nil, fault.New(fault.Pruned, "the payload of batch %d of block %d was let go: ask an archive node", at.Index, at.Height)
	}
	raw := a.GetReceipt().GetCertified().GetHeader()
	header, err := codec.DecodeHeader(raw)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "a validator's receipt")
	}
	id, err := hashOf(a.Receipt.Id)
	if err != nil {
		return nil, err
	}
	out := &query.PlacedTransfer{Block: codec.Sum(raw), Transfer: query.Transfer{
		ID: id, Height: at.Height, Index: at.Index, Item: at.Item, Outcome: chain.Outcome(a.Receipt.Outcome), TimeUs: header.TimeUs,
	}}
	if a.Leg {
		if len(a.Transaction) != chain.LegBytes {
			return nil, malformed("a leg has %d bytes", len(a.Transaction))
		}
		leg := chain.ReadLeg(a.Transaction)
		out.FillLeg(&leg)
		return out, fillOrigin(&out.Transfer, a.Origin)
	}
	tx, _, err := codec.DecodeSignedTx(a.Transaction)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "a validator's transaction")
	}
	out.FillTx(&tx.Tx)
	return out, nil
}
