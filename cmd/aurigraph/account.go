// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

func newAccount(a *app) *cobra.Command {
	return group("account", "Open accounts and see what they hold", newAccountNew(a), newAccountShow(a), newAccountList(a))
}

type accountJSON struct {
	Height      chain.Height    `json:"height"`
	Number      chain.AccountNo `json:"number"`
	Address     string          `json:"address"`
	Institution uint32          `json:"institution"`
	Frozen      bool            `json:"frozen"`
	Nonce       uint64          `json:"nonce"`
	Holdings    []holdingJSON   `json:"holdings"`
	Proved      *provedJSON     `json:"proved,omitempty"`
}

type holdingJSON struct {
	Asset  string `json:"asset"`
	Amount string `json:"amount"`
}

type provedJSON struct {
	RootHeight chain.Height `json:"root_height"`
	Asset      string       `json:"asset,omitempty"`
	Amount     string       `json:"amount,omitempty"`
}

func newAccountNew(a *app) *cobra.Command {
	var scheme string
	c := &cobra.Command{
		Use:   "new",
		Short: "Open an account: with a key of its own, or with the institution as custodian",
		Example: `  aurigraph account new                        the institution is its custodian
  aurigraph account new --own-key ed25519      a new key, kept in the network's folder
  aurigraph account new --own-key ml-dsa-65`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.accountNew(cmd.Context(), scheme) },
	}
	c.Flags().StringVar(&scheme, "own-key", "", "make a key for it: ed25519, secp256k1 or ml-dsa-65")
	return c
}

func (a *app) accountNew(ctx context.Context, scheme string) error {
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if s.network == nil {
		return fault.New(fault.Invalid, "opening an account needs the institution's key: use --network")
	}
	house, err := s.house(ctx)
	if err != nil {
		return err
	}
	body := &chain.OpenAccount{Slot: chain.SlotNone}
	if scheme != "" {
		if body.PublicKey, err = s.makeKey(scheme); err != nil {
			return err
		}
	}
	t, err := s.submit(ctx, house, body)
	if err != nil {
		return err
	}
	acc, err := s.Account(ctx, client.AccountName{Number: chain.AccountNo(t.Result)}, 0, false)
	if err != nil {
		return err
	}
	return a.printAccount(acc, "")
}

// makeKey makes a key, keeps it in the network's folder under its address, and returns its public part.
func (s *session) makeKey(scheme string) ([]byte, error) {
	sc, err := keys.ParseScheme(scheme)
	if err != nil {
		return nil, err
	}
	signer, err := keys.Generate(sc, rand.Reader)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.network.Dir, "keys", signer.Public().Address().String()+".key")
	return signer.Public().Bytes(), keys.WriteFile(path, signer, nil)
}

// house is the institution's house account with its key.
func (s *session) house(ctx context.Context) (*actor, error) {
	in, err := s.Institution(ctx, chain.InstitutionNo(s.network.Institution.ID), 0)
	if err != nil {
		return nil, err
	}
	acc, err := s.Account(ctx, client.AccountName{Number: in.House}, 0, false)
	if err != nil {
		return nil, err
	}
	return s.actorFor(ctx, acc, "")
}

func newAccountShow(a *app) *cobra.Command {
	var asset string
	var proof bool
	c := &cobra.Command{
		Use:   "show ACCOUNT",
		Short: "Show an account and its holdings",
		Long: `Shows an account, named by its address or number, with its holdings as of a certified height. With --proof the account, and
with --asset that holding, are proved against a certified state root.`,
		Example: `  aurigraph account show 0x…
  aurigraph account show 3 --asset AUR --proof`,
		Args: args("ACCOUNT"),
		RunE: func(cmd *cobra.Command, got []string) error {
			return a.accountShow(cmd.Context(), got[0], asset, proof)
		},
	}
	c.Flags().StringVar(&asset, "asset", "", "only this asset")
	c.Flags().BoolVar(&proof, "proof", false, "prove it against a certified state root")
	return c
}

func (a *app) accountShow(ctx context.Context, text, code string, proof bool) error {
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	name, err := accountName(text)
	if err != nil {
		return err
	}
	no := chain.AssetNo(0)
	if code != "" || proof && s.network != nil && s.network.Asset != "" {
		asset, err := s.assetOr(ctx, code)
		if err != nil {
			return err
		}
		no, code = asset.Number, asset.Code
	}
	acc, err := s.Account(ctx, name, no, proof)
	if err != nil {
		return err
	}
	return a.printAccount(acc, code)
}

func (a *app) printAccount(acc *client.Account, proved string) error {
	j := accountJSON{Height: acc.Height, Number: acc.Number, Address: acc.Address.String(), Institution: uint32(acc.Institution), Frozen: acc.Frozen, Nonce: acc.Nonce, Holdings: []holdingJSON{}}
	for _, h := range acc.Holdings {
		j.Holdings = append(j.Holdings, holdingJSON{h.Code, h.Amount.Decimal(h.Scale)})
	}
	if p := acc.Proved; p != nil {
		j.Proved = &provedJSON{RootHeight: p.RootHeight}
		if p.Asset != 0 && len(acc.Holdings) > 0 {
			j.Proved.Asset, j.Proved.Amount = proved, p.Amount.Decimal(acc.Holdings[0].Scale)
		}
	}
	return a.print(j, func(row func(...any)) {
		row("account", acc.Number, acc.Address)
		if acc.Institution != 0 {
			row("custodian", fmt.Sprintf("institution %d", acc.Institution))
		} else {
			row("owner", "its own key")
		}
		row("frozen", yesNo(acc.Frozen))
		for _, h := range j.Holdings {
			row("holds", h.Amount+" "+h.Asset)
		}
		row("as of height", acc.Height)
		if j.Proved != nil {
			row("proved", j.Proved.Amount+" "+j.Proved.Asset, fmt.Sprintf("state root of height %d", j.Proved.RootHeight))
		}
	})
}

func newAccountList(a *app) *cobra.Command {
	var limit int
	var cursor string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List accounts, newest first, from the query index",
		Example: `  aurigraph account list --limit 20`,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			page, err := s.ListAccounts(cmd.Context(), 0, limit, cursor)
			if err != nil {
				return err
			}
			return a.print(page, func(row func(...any)) {
				row("ACCOUNT", "ADDRESS", "INSTITUTION")
				for _, acc := range page.Items {
					row(acc.Number, acc.Address, acc.Institution)
				}
				if page.Next != "" {
					row("more with --cursor " + page.Next)
				}
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this many")
	c.Flags().StringVar(&cursor, "cursor", "", "go on from here")
	return c
}
