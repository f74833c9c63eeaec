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
	c := online(a, group("asset", "Create, issue and see assets", newAssetCreate(a), newAssetIssue(a), newAssetRedeem(a), newAssetShow(a), newAssetList(a)))
	c.Long = `Creates assets, changes how many units there are, and shows them. The institution of the network's folder issues what is created
here: its key signs, and only it can issue and redeem.`
	c.Example = `  aurigraph asset create GOLD --scale 3
  aurigraph asset issue GOLD 3 1000`
	return c
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
		Long: `Creates an asset and shows it. CODE has 1 to 16 of A-Z 0-9 . - and names the asset everywhere; it cannot be changed, and neither
can the flags. There are no units of it until "asset issue".`,
		Example: `  aurigraph asset create GOLD --name "Gold, grams" --scale 3
  aurigraph asset create EURX --scale 2 --dense      for an asset that most accounts hold`,
		Args: args("CODE"),
		RunE: func(cmd *cobra.Command, got []string) error {
			if body.Scale > chain.ScaleMax {
				return usage(cmd, "--scale %d, must be 0 to %d", body.Scale, chain.ScaleMax)
			}
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
	f.StringVar(&body.Name, "name", "", "name for people, up to 64 bytes (default: the code)")
	f.Uint8Var(&body.Scale, "scale", 2, "decimals of an amount, 0 to 18")
	f.BoolVar(&portable, "portable", false, "it can live on a V10 ledger while a migration runs")
	f.BoolVar(&versioned, "versioned", false, "its holdings are kept by height")
	f.BoolVar(&dense, "dense", false, "most accounts hold it: keep its holdings in an array; at most 256 assets can be so")
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
		return fault.New(fault.Invalid, "this needs the institution's key: run it where the network's folder is, with --network")
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
		Use:   "issue CODE TO AMOUNT",
		Short: "Issue new units of an asset to an account",
		Long: `Makes AMOUNT new units, a decimal in the asset's scale, and gives them to the account TO (number, address or alias:NAME). Only the
asset's issuer can; its key is looked for in the network's folder. Run again, it issues again.`,
		Example: `  aurigraph asset issue GOLD 3 1000
  aurigraph asset issue GOLD 0x5ce289ed69ad2524fac5e860b046540c5ad6586f 0.5`,
		Args: args("CODE", "TO", "AMOUNT"),
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
		Use:   "redeem CODE AMOUNT",
		Short: "Take units out of circulation, from the issuer's own holding",
		Long: `Takes AMOUNT units, a decimal in the asset's scale, out of circulation. They come from the holding of the issuer itself: pay them
to its account first ("asset show" names it). Run again, it redeems again.`,
		Example: `  aurigraph asset redeem GOLD 10.5
  aurigraph asset redeem GOLD 1 --json`,
		Args: args("CODE", "AMOUNT"),
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
	if err == nil && amount.IsZero() {
		err = fault.Reasoned(fault.Invalid, "amount_zero", "the amount is 0: it must be at least %s %s", chain.Units(1).Decimal(asset.Scale), asset.Code)
	}
	return asset, amount, err
}

func newAssetShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show CODE",
		Short: "Show an asset",
		Long:  `Shows an asset: its decimals, its kind, its issuer, and how many units there are as of a certified height.`,
		Example: `  aurigraph asset show AUR
  aurigraph asset show AUR --json`,
		Args: args("CODE"),
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
	var l listFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "List assets, newest first, from the query index",
		Long:  `Lists assets, newest first, from the node's query index, which may be a little behind the chain.`,
		Example: `  aurigraph asset list
  aurigraph asset list --limit 10 --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.check(cmd); err != nil {
				return err
			}
			s, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			page, err := s.ListAssets(cmd.Context(), l.limit, l.cursor)
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
				more(page.Next, row)
			})
		},
	}
	l.add(c)
	return c
}
