// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// assetPage is how many assets are asked for at once.
const assetPage = 1000

func (s *Server) assets(ctx context.Context, _ *request) (any, error) {
	list, err := s.allAssets(ctx)
	return v10.AssetList{Assets: list, Total: len(list)}, err
}

func (s *Server) tokens(ctx context.Context, _ *request) (any, error) {
	list, err := s.allAssets(ctx)
	return v10.TokenList{Tokens: list, Total: len(list)}, err
}

// allAssets lists every asset, in the order of creation.
func (s *Server) allAssets(ctx context.Context) ([]v10.Asset, error) {
	var all []query.Asset
	for more := true; more && len(all) < assetsListedMax; {
		after := chain.AssetNo(0)
		if len(all) > 0 {
			after = all[len(all)-1].Number
		}
		page, err := s.parts.Reader.AssetsFrom(ctx, after, assetPage)
		if err != nil {
			return nil, err
		}
		all, more = append(all, page.Items...), page.More
	}
	return s.writeAssets(ctx, all[:min(len(all), assetsListedMax)])
}

func (s *Server) writeAssets(ctx context.Context, list []query.Asset) ([]v10.Asset, error) {
	issuers := make([]chain.AccountNo, len(list))
	for i := range list {
		issuers[i] = list[i].Issuer
	}
	names, err := s.names(ctx, issuers)
	if err != nil {
		return nil, err
	}
	out := make([]v10.Asset, len(list))
	for i := range list {
		a := &list[i]
		out[i] = v10.Asset{
			Code: a.Code, Name: a.Name, Scale: a.Scale, Supply: v10.DecimalOf(a.Supply, a.Scale, false), Issuer: names[a.Issuer],
			Status: v10.AccountActive,
		}
		if a.Frozen {
			out[i].Status = v10.AccountFrozen
		}
	}
	return out, nil
}

// assetOf is the asset in the path.
func (s *Server) assetOf(ctx context.Context, q *request) (*query.Asset, error) {
	code := q.params.Get("code")
	if err := v10.CheckCode("code", code); err != nil {
		return nil, notFound(v10.TextNoAsset)
	}
	a, err := s.parts.Reader.AssetByCode(ctx, code)
	return a, orNotFound(err, v10.TextNoAsset)
}

func (s *Server) asset(ctx context.Context, q *request) (any, error) {
	a, err := s.assetOf(ctx, q)
	if err != nil {
		return nil, err
	}
	list, err := s.writeAssets(ctx, []query.Asset{*a})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

func (s *Server) supply(ctx context.Context, q *request) (any, error) {
	a, err := s.assetOf(ctx, q)
	if err != nil {
		return nil, err
	}
	return v10.Supply{Asset: a.Code, Supply: v10.DecimalOf(a.Supply, a.Scale, false)}, nil
}

func (s *Server) holders(ctx context.Context, q *request) (any, error) {
	limit, err := q.limit(v10.ListDefault)
	if err != nil {
		return nil, err
	}
	a, err := s.assetOf(ctx, q)
	if err != nil {
		return nil, err
	}
	found, err := s.parts.Reader.Holders(ctx, a.Number, limit)
	if err != nil {
		return nil, err
	}
	numbers := make([]chain.AccountNo, len(found.Items))
	for i, h := range found.Items {
		numbers[i] = h.Account
	}
	names, err := s.names(ctx, numbers)
	if err != nil {
		return nil, err
	}
	out := v10.Holders{Asset: a.Code, Holders: make([]v10.Holder, len(found.Items)), Total: len(found.Items)}
	for i, h := range found.Items {
		out.Holders[i] = v10.Holder{Account: names[h.Account], Amount: v10.DecimalOf(h.Amount, a.Scale, false)}
	}
	return out, nil
}

func (s *Server) createAsset(ctx context.Context, q *request) (any, error) {
	var r v10.CreateAsset
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	if err := q.act(r.Issuer); err != nil {
		return nil, err
	}
	_, done, err := s.parts.Desk.CreateAsset(ctx, r.Issuer, custody.NewAsset{Code: r.Code, Name: r.Name, Scale: r.Decimals(), Flags: chain.AssetPortable})
	if err == nil {
		err = outcomeError(done.Outcome)
	}
	if err != nil {
		return nil, err
	}
	q.height = done.Height
	id := idOf(&done)
	return v10.AssetCreated{TransactionID: id.String(), Status: v10.StatusSubmitted, Code: r.Code, Fee: v10.FeeNone, Timestamp: v10.Time(id.Ms)}, nil
}

func (s *Server) issue(ctx context.Context, q *request) (any, error) {
	var r v10.IssueAsset
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	asset, units, err := s.acting(ctx, q, r.Issuer, r.Amount)
	if err != nil {
		return nil, err
	}
	done, err := s.parts.Desk.Issue(ctx, r.Issuer, r.To, asset.Code, units)
	q.height = done.Height
	return submitted(&done, err)
}

func (s *Server) redeem(ctx context.Context, q *request) (any, error) {
	var r v10.RedeemAsset
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	asset, units, err := s.acting(ctx, q, r.Issuer, r.Amount)
	if err != nil {
		return nil, err
	}
	done, err := s.parts.Desk.Redeem(ctx, r.Issuer, asset.Code, units)
	q.height = done.Height
	return submitted(&done, err)
}

// acting reads what an issuer wants to do with the asset in the path. That a single transaction is not under a key, unlike a
// payment, is told: a client must not believe that it may repeat it. V10 keeps keys for these as well.
func (s *Server) acting(ctx context.Context, q *request, issuer string, amount v10.Decimal) (custody.Asset, chain.Amount, error) {
	if err := q.act(issuer); err != nil {
		return custody.Asset{}, chain.Amount{}, err
	}
	code := q.params.Get("code")
	if err := v10.CheckCode("code", code); err != nil {
		return custody.Asset{}, chain.Amount{}, notFound(v10.TextNoAsset)
	}
	if q.Header.Get(keyHeader) != "" && !s.goesHome(ctx, q, issuer, code) {
		return custody.Asset{}, chain.Amount{}, fault.Reasoned(fault.Invalid, "key_not_kept", "Idempotency-Key is kept for payments only: send this without one, and look before you repeat it")
	}
	asset, err := s.parts.Desk.Asset(ctx, code)
	if err != nil {
		return asset, chain.Amount{}, s.atHome(ctx, q, issuer, code, err)
	}
	units, err := amount.Units(asset.Scale)
	return asset, units, err
}

func submitted(done *custody.Result, err error) (any, error) {
	if err == nil {
		err = outcomeError(done.Outcome)
	}
	if err != nil {
		return nil, err
	}
	return raw{body: v10.AppendSubmitAnswer(nil, idOf(done))}, nil
}

// transferAsset is a payment in the asset of the path.
func (s *Server) transferAsset(ctx context.Context, q *request) (any, error) {
	var r v10.TransferAsset
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	code := q.params.Get("code")
	if err := v10.CheckCode("code", code); err != nil {
		return nil, notFound(v10.TextNoAsset)
	}
	return s.payOne(ctx, q, &v10.Submit{From: r.From, To: r.To, Amount: r.Amount, Currency: code})
}
