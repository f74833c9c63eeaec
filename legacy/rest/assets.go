// SPDX-License-Identifier: Apache-2.0

package rest

import (
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

func assetOf(a *ledger.Asset) v10.Asset {
	return v10.Asset{
		Code: a.Code, Name: a.Name, Scale: a.Scale, Supply: v10.DecimalOf(a.Supply.Amount, a.Scale, false), Issuer: a.Issuer,
		Status: v10.AccountActive,
	}
}

// allAssets is every asset, up to the bound of a list.
func (s *Server) allAssets() ([]v10.Asset, error) {
	found, err := s.ledger.Assets(0, ledger.ListMax)
	all := make([]v10.Asset, len(found))
	for i := range found {
		all[i] = assetOf(&found[i])
	}
	return all, err
}

func (s *Server) assets(*call) (any, error) {
	all, err := s.allAssets()
	return v10.AssetList{Assets: all, Total: len(all)}, err
}

func (s *Server) tokenList(*call) (any, error) {
	all, err := s.allAssets()
	return v10.TokenList{Tokens: all, Total: len(all)}, err
}

// assetNamed is the asset of a path. What is no code is the code of nothing.
func (s *Server) assetNamed(c *call) (ledger.Asset, error) {
	return s.ledger.Asset(c.params.Get("code"))
}

func (s *Server) asset(c *call) (any, error) {
	a, err := s.assetNamed(c)
	return assetOf(&a), err
}

func (s *Server) supply(c *call) (any, error) {
	a, err := s.assetNamed(c)
	return v10.Supply{Asset: a.Code, Supply: v10.DecimalOf(a.Supply.Amount, a.Scale, false)}, err
}

func (s *Server) holders(c *call) (any, error) {
	q, err := c.queryOf()
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q, v10.ListDefault)
	if err != nil {
		return nil, err
	}
	a, err := s.assetNamed(c)
	if err != nil {
		return nil, err
	}
	found, err := s.ledger.Holders(a.Code, limit)
	list := v10.Holders{Asset: a.Code, Holders: make([]v10.Holder, len(found)), Total: len(found)}
	for i, b := range found {
		list.Holders[i] = v10.Holder{Account: b.Account, Amount: v10.DecimalOf(b.Units, a.Scale, false)}
	}
	return list, err
}

func (s *Server) createAsset(c *call) (any, error) {
	var r v10.CreateAsset
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	id, err := s.submit(c, ledger.Order{Kind: ledger.CreateAsset, From: r.Issuer, Asset: r.Code, Title: r.Name, Scale: r.Decimals()})
	return v10.AssetCreated{
		TransactionID: id.String(), Status: v10.StatusSubmitted, Code: r.Code, Fee: v10.FeeNone, Timestamp: v10.Time(id.Ms),
	}, err
}

func (s *Server) issue(c *call) (any, error) {
	var r v10.IssueAsset
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	return s.change(c, ledger.Order{Kind: ledger.Issue, From: r.Issuer, To: r.To}, r.Amount)
}

func (s *Server) redeem(c *call) (any, error) {
	var r v10.RedeemAsset
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	return s.change(c, ledger.Order{Kind: ledger.Redeem, From: r.Issuer}, r.Amount)
}

func (s *Server) transferAsset(c *call) (any, error) {
	var r v10.TransferAsset
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	return s.change(c, ledger.Order{Kind: ledger.Transfer, From: r.From, To: r.To}, r.Amount)
}

// change has an order executed on the asset of the path.
func (s *Server) change(c *call, o ledger.Order, amount v10.Decimal) (any, error) {
	a, err := s.assetNamed(c)
	if err != nil {
		return nil, err
	}
	o.Asset = a.Code
	if o.Units, err = amount.Units(a.Scale); err != nil {
		return nil, err
	}
	id, err := s.submit(c, o)
	if err != nil {
		return nil, err
	}
	return body{bytes: v10.AppendSubmitAnswer(nil, id)}, nil
}
