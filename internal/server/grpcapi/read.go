// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"cmp"
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
)

// LegsPerProofMax bounds the legs of one GetLegs: 32 KiB of records. More are refused.
const LegsPerProofMax = 512

// GetTransaction finds a transaction or leg.
func (s *service) GetTransaction(ctx context.Context, q *ledgerv1.GetTransactionRequest) (*ledgerv1.GetTransactionResponse, error) {
	t, err := s.transaction(ctx, q)
	if err != nil {
		return nil, err
	}
	r, err := txReceipt(&t.Receipt, t.ID, t.Item)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.GetTransactionResponse{
		Receipt: r, Batch: t.Receipt.Batch[:], Transaction: t.Bytes, Leg: t.Leg, Proof: proof(t.Proof), Origin: changeOrigin(t.Origin),
	}, nil
}

// GetBatch finds the receipt of a client batch.
func (s *service) GetBatch(ctx context.Context, q *ledgerv1.GetBatchRequest) (*ledgerv1.GetBatchResponse, error) {
	id, err := hash("batch", q.Batch)
	if err != nil {
		return nil, err
	}
	r, err := s.backend.Batch(ctx, id)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.GetBatchResponse{Receipt: batchReceipt(&r, false)}, nil
}

// GetLegs proves a range of legs.
func (s *service) GetLegs(ctx context.Context, q *ledgerv1.GetLegsRequest) (*ledgerv1.GetLegsResponse, error) {
	id, err := hash("batch", q.Batch)
	if err != nil {
		return nil, err
	}
	if q.Count == 0 || q.Count > LegsPerProofMax {
		return nil, badField("count", "is %d, must be 1 to %d", q.Count, LegsPerProofMax)
	}
	if q.From >= chain.BatchLegsMax {
		return nil, badField("from", "is %d, must be below %d", q.From, chain.BatchLegsMax)
	}
	l, err := s.backend.Legs(ctx, id, q.From, q.Count)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.GetLegsResponse{Receipt: batchReceipt(&l.Receipt, false), Records: l.Records, Proof: proof(&l.Proof)}, nil
}

// GetBlock finds a block.
func (s *service) GetBlock(ctx context.Context, q *ledgerv1.GetBlockRequest) (*ledgerv1.Block, error) {
	b, err := s.findBlock(ctx, q)
	if err != nil {
		return nil, err
	}
	return block(b), nil
}

// findBlock finds a block by its hash, or by its height.
func (s *service) findBlock(ctx context.Context, q *ledgerv1.GetBlockRequest) (*query.Block, error) {
	if len(q.Hash) == 0 {
		return s.backend.Block(ctx, chain.Height(q.Height))
	}
	if q.Height != 0 {
		return nil, badField("hash", "stands beside a height: give one of them")
	}
	h, err := hash("hash", q.Hash)
	if err != nil {
		return nil, err
	}
	return s.backend.BlockByHash(ctx, h)
}

// GetAccount finds an account with its holdings.
func (s *service) GetAccount(ctx context.Context, q *ledgerv1.GetAccountRequest) (*ledgerv1.GetAccountResponse, error) {
	name, err := accountName(q)
	if err != nil {
		return nil, err
	}
	no := chain.AssetNo(q.Asset)
	a, err := s.backend.Account(ctx, name, no)
	if err != nil {
		return nil, err
	}
	answer := &ledgerv1.GetAccountResponse{Height: uint64(a.Height), Account: account(a), Holdings: each(a.Holdings, holding)}
	if q.Proof {
		p, err := s.backend.AccountProof(ctx, name, no)
		if err != nil {
			return nil, err
		}
		answer.Proof = stateProof(p)
	}
	return answer, nil
}

func accountName(q *ledgerv1.GetAccountRequest) (name query.AccountName, err error) {
	switch n := q.Name.(type) {
	case *ledgerv1.GetAccountRequest_Number:
		name.Number = chain.AccountNo(n.Number)
	case *ledgerv1.GetAccountRequest_Address:
		if len(n.Address) != len(name.Address) {
			return name, badField("address", "has %d bytes, must have %d", len(n.Address), len(name.Address))
		}
		name.Address = chain.Address(n.Address)
	case *ledgerv1.GetAccountRequest_AliasTag:
		name.AliasTag, err = hash("alias_tag", n.AliasTag)
	}
	if err == nil && name == (query.AccountName{}) {
		err = badField("name", "is missing: give an address, a number or an alias tag")
	}
	return name, err
}

// GetAsset finds an asset by number or code.
func (s *service) GetAsset(ctx context.Context, q *ledgerv1.GetAssetRequest) (*ledgerv1.Asset, error) {
	var a *query.Asset
	var err error
	switch n := q.Name.(type) {
	case *ledgerv1.GetAssetRequest_Number:
		a, err = s.backend.Asset(ctx, chain.AssetNo(n.Number))
	case *ledgerv1.GetAssetRequest_Code:
		if len(n.Code) > chain.CodeBytesMax {
			return nil, badField("code", "has %d bytes, at most %d", len(n.Code), chain.CodeBytesMax)
		}
		a, err = s.backend.AssetByCode(ctx, n.Code)
	default:
		return nil, badField("name", "is missing: give a number or a code")
	}
	if err != nil {
		return nil, err
	}
	return asset(a), nil
}

// GetInstitution finds an institution.
func (s *service) GetInstitution(ctx context.Context, q *ledgerv1.GetInstitutionRequest) (*ledgerv1.Institution, error) {
	if q.Channel >= chain.ChannelsMax {
		return nil, badField("channel", "is %d, must be below %d", q.Channel, chain.ChannelsMax)
	}
	i, err := s.backend.Institution(ctx, chain.InstitutionNo(q.Number), uint8(q.Channel))
	if err != nil {
		return nil, err
	}
	return institution(i), nil
}

// GetStatus says how the node is.
func (s *service) GetStatus(ctx context.Context, _ *ledgerv1.GetStatusRequest) (*ledgerv1.Status, error) {
	st, err := s.backend.Status(ctx)
	if err != nil {
		return nil, err
	}
	return nodeStatus(st), nil
}

// ListHandovers proves who validates.
func (s *service) ListHandovers(ctx context.Context, q *ledgerv1.ListHandoversRequest) (*ledgerv1.ListHandoversResponse, error) {
	if q.Limit > query.HandoversMax {
		return nil, badField("limit", "is %d, at most %d", q.Limit, query.HandoversMax)
	}
	h, err := s.backend.Handovers(ctx, chain.Epoch(q.FromEpoch), int(cmp.Or(q.Limit, query.HandoversMax)))
	if err != nil {
		return nil, err
	}
	return &ledgerv1.ListHandoversResponse{Handovers: h.Proved, MembershipEpoch: uint64(h.Epoch)}, nil
}

func hash(field string, b []byte) (chain.Hash, error) {
	if len(b) != len(chain.Hash{}) {
		return chain.Hash{}, badField(field, "has %d bytes, must have %d", len(b), len(chain.Hash{}))
	}
	return chain.Hash(b), nil
}

func badField(field, format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "request_field", field+": "+format, args...)
}
