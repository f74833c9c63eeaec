// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func newAsset(a *app) *cobra.Command {
	return group("asset", "Create, issue and see assets", newAssetCreate(a), newAssetIssue(a), newAssetRedeem(a), newAssetShow(a), newAssetList(a))
}

type assetJSON struct {
	Number    chain.AssetNo   `json:"number"`
	Code      string          `json:"code"`
	Name      string          `json:"name"`
	Scale     uint8           `json:"scale"`
	Portable  bool            `json:"portable"`
	Versioned bool            `json:"versioned"`
	Dense     bool            `json:"dense"`
	Frozen    bool            `json:"frozen"`
	Issuer    chain.AccountNo `json:"issuer"`
	Supply    string          `json:"supply"`
	Height    chain.Height    `json:"height"`
}

func newAssetCreate(a *app) *cobra.Command {
	body := &chain.CreateAsset{}
	var portable, versioned, dense bool
	c := &cobra.Command{
		Use:   "create CODE",
		Short: "Create an asset that the institution issues",
		Example: `  aurigraph asset create GOLD --name "Gold, grams" --scale 3
  aurigraph asset create EURX --scale 2 --dense      for an asset that most accounts hold`,
		Args: args("CODE"),
		RunE: func(cmd *cobra.Command, got []string) error {
			body.Code = got[0]
			if body.Name == "" {
				body.Name = body.Code
			}
			for _, f := range []struct {
				set  bool
				flag chain.AssetFlags
			}{{portable, chain.AssetPortable}, {versioned, chain.AssetVersioned}, {dense, chain.AssetDense}} {
				if f.set {
					body.Flags |= f.flag
				}
			}
			return a.byHouse(cmd.Context(), func(s *session) (chain.Body, error) { return body, nil }, func(s *session, _ *client.Transaction) error {
				return a.assetShow(cmd.Context(), s, body.Code)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&body.Name, "name", "", "name for people (default: the code)")
	f.Uint8Var(&body.Scale, "scale", 2, "decimals, 0 to 18")
	f.BoolVar(&portable, "portable", false, "it can live on a V10 ledger while a migration runs")
	f.BoolVar(&versioned, "versioned", false, "its holdings are kept by height")
	f.BoolVar(&dense, "dense", false, "most accounts hold it: keep it in an array")
	return c
}

// byHouse submits what the institution's house account signs, and shows what came of it.
func (a *app) byHouse(ctx context.Context, body func(*session) (chain.Body, error), show func(*session, *client.Transaction) error) error {
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if s.network == nil {
		return fault.New(fault.Invalid, "this needs the institution's key: use --network")
	}
	b, err := body(s)
	if err != nil {
		return err
	}
	house, err := s.house(ctx)
	if err != nil {
		return err
	}
	t, err := s.submit(ctx, house, b)
	if err != nil {
		return err
	}
	return show(s, t)
}

func newAssetIssue(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "issue CODE TO AMOUNT",
		Short:   "Issue new units of an asset to an account",
		Example: `  aurigraph asset issue GOLD 0x… 1000`,
		Args:    args("CODE", "TO", "AMOUNT"),
		RunE: func(cmd *cobra.Command, got []string) error {
			return a.byHouse(cmd.Context(), func(s *session) (chain.Body, error) {
				asset, amount, err := s.amount(cmd.Context(), got[0], got[2])
				if err != nil {
					return nil, err
				}
				to, err := s.account(cmd.Context(), got[1])
				if err != nil {
					return nil, err
				}
				return &chain.Issue{To: to.Number, Asset: asset.Number, Amount: amount}, nil
			}, func(_ *session, t *client.Transaction) error { return a.printPaid(t) })
		},
	}
}

func newAssetRedeem(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "redeem CODE AMOUNT",
		Short:   "Take units out of circulation, from the issuer's own holding",
		Example: `  aurigraph asset redeem GOLD 10.5`,
		Args:    args("CODE", "AMOUNT"),
		RunE: func(cmd *cobra.Command, got []string) error {
			return a.byHouse(cmd.Context(), func(s *session) (chain.Body, error) {
				asset, amount, err := s.amount(cmd.Context(), got[0], got[1])
				if err != nil {
					return nil, err
				}
				return &chain.Redeem{Asset: asset.Number, Amount: amount}, nil
			}, func(_ *session, t *client.Transaction) error { return a.printPaid(t) })
		},
	}
}

// amount reads an amount in an asset's scale.
func (s *session) amount(ctx context.Context, code, text string) (*client.Asset, chain.Amount, error) {
	asset, err := s.assetOr(ctx, code)
	if err != nil {
		return nil, chain.Amount{}, err
	}
	amount, err := chain.ParseAmount(text, asset.Scale)
	return asset, amount, err
}

func newAssetShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show CODE",
		Short:   "Show an asset",
		Example: `  aurigraph asset show AUR`,
		Args:    args("CODE"),
		RunE: func(cmd *cobra.Command, got []string) error {
			s, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			return a.assetShow(cmd.Context(), s, got[0])
		},
	}
}

func assetOf(v *client.Asset) assetJSON {
	return assetJSON{v.Number, v.Code, v.Name, v.Scale, v.Portable, v.Versioned, v.Dense, v.Frozen, v.Issuer, v.Supply.Decimal(v.Scale), v.Height}
}

func (a *app) assetShow(ctx context.Context, s *session, code string) error {
	v, err := s.assetOr(ctx, code)
	if err != nil {
		return err
	}
	j := assetOf(v)
	return a.print(j, func(row func(...any)) {
		row("asset", j.Number, j.Code, j.Name)
		row("decimals", j.Scale)
		row("kind", kindOf(j))
		row("issuer", "account", j.Issuer)
		row("supply", j.Supply)
		row("frozen", yesNo(j.Frozen))
		row("as of height", j.Height)
	})
}

func kindOf(j assetJSON) string {
	var kinds []string
	for _, k := range []struct {
		is   bool
		name string
	}{{j.Portable, "portable"}, {j.Versioned, "versioned"}, {j.Dense, "dense"}} {
		if k.is {
			kinds = append(kinds, k.name)
		}
	}
	if len(kinds) == 0 {
		return "plain"
	}
	return strings.Join(kinds, ", ")
}

func newAssetList(a *app) *cobra.Command {
	var limit int
	var cursor string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List assets, newest first, from the query index",
		Example: `  aurigraph asset list`,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			page, err := s.ListAssets(cmd.Context(), limit, cursor)
			if err != nil {
				return err
			}
			list := make([]assetJSON, len(page.Items))
			for i, v := range page.Items {
				list[i] = assetOf(v)
			}
			return a.print(map[string]any{"assets": list, "next": page.Next, "index_height": page.IndexHeight}, func(row func(...any)) {
				row("ASSET", "CODE", "NAME", "DECIMALS")
				for _, j := range list {
					row(j.Number, j.Code, j.Name, j.Scale)
				}
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this many")
	c.Flags().StringVar(&cursor, "cursor", "", "go on from here")
	return c
}
