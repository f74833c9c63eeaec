// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
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
	c := online(a, group("account", "Open accounts and see what they hold", newAccountNew(a), newAccountShow(a), newAccountList(a)))
	c.Long = `Opens accounts and shows them. An account has a number and an address, and either its own key or an institution as custodian,
whose key signs for it. One that comes from a V10 ledger has a name there too, and is written alias:NAME wherever an ACCOUNT,
FROM or TO is asked for.`
	c.Example = `  aurigraph account new
  aurigraph account show 3`
	return c
}

type accountJSON struct {
	Height      chain.Height    `json:"height"`
	Number      chain.AccountNo `json:"number"`
	Address     string          `json:"address"`
	Institution uint32          `json:"institution"`
	Key         chain.KeyNo     `json:"key,omitempty"`
	KeyFile     string          `json:"key_file,omitempty"`
	Alias       string          `json:"alias,omitempty"`
	Slot        *uint16         `json:"slot,omitempty"` // of its V10 name
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
	var scheme, alias string
	c := &cobra.Command{
		Use:   "new",
		Short: "Open an account: with a key of its own, or with the institution as custodian",
		Long: `Opens an account and shows it. Without --own-key the institution of the network is its custodian: its key signs payments. With
--own-key a new key is made and kept in the network's folder, and only it signs.

With --alias the account is the one that NAME has on a V10 ledger: address and slot follow from the name, and the name itself
never goes to the ledger, only a keyed hash of it. The name and the key of the hash stay in the network's folder. Such an
account has a custodian; an own key is given to it later, by its custodian.`,
		Example: `  aurigraph account new                           the institution is its custodian
  aurigraph account new --own-key ed25519         a new key, kept in the network's folder
  aurigraph account new --own-key ml-dsa-65       the same, safe from quantum computers
  aurigraph account new --alias "ACME GmbH/EUR"   an account that V10 knows under this name`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case scheme != "" && cmd.Flags().Changed("alias"):
				return usage(cmd, "--own-key and --alias exclude each other: an account with a V10 name begins with a custodian")
			case cmd.Flags().Changed("own-key"):
				if _, err := keys.ParseScheme(scheme); err != nil {
					return usage(cmd, "--own-key: %v", err)
				}
			case cmd.Flags().Changed("alias"):
				if err := keys.CheckAlias(alias); err != nil {
					return usage(cmd, "--alias: %v", err)
				}
			}
			return a.accountNew(cmd.Context(), scheme, alias)
		},
	}
	c.Flags().StringVar(&scheme, "own-key", "", "make a key for it: ed25519, secp256k1 or ml-dsa-65")
	c.Flags().StringVar(&alias, "alias", "", "its name on a V10 ledger, 1 to 256 bytes")
	return c
}

func (a *app) accountNew(ctx context.Context, scheme, alias string) error {
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if s.network == nil {
		return fault.New(fault.Invalid, "opening an account needs the institution's key: run this where the network's folder is, with --network")
	}
	house, err := s.house(ctx)
	if err != nil {
		return err
	}
	body := &chain.OpenAccount{Slot: chain.SlotNone}
	switch {
	case alias != "":
		body, err = s.openAlias(alias)
	case scheme != "":
		body.PublicKey, err = s.makeKey(scheme)
	}
	if err != nil {
		return err
	}
	t, err := s.submit(ctx, house, body)
	if err != nil {
		return err
	}
	acc, err := s.Account(ctx, client.AccountName{Number: chain.AccountNo(t.Result)}, 0, false)
	if err != nil {
		return err
	}
	if alias != "" {
		if err := s.rememberAlias(acc.Address, alias); err != nil {
			return err
		}
	}
	return a.printAccount(s, acc, "")
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
		Long: `Shows an account, named by its number, its address or alias:NAME, with its holdings as of a certified height. With --proof the
account, and its holding of --asset, are proved against a certified state root, which may be a few blocks older.

A V10 name is shown where the account was opened with it: the ledger does not know it.`,
		Example: `  aurigraph account show 3
  aurigraph account show 3 --asset AUR --proof
  aurigraph account show "alias:ACME GmbH/EUR"`,
		Args: args("ACCOUNT"),
		RunE: func(cmd *cobra.Command, got []string) error {
			return a.accountShow(cmd.Context(), got[0], asset, proof)
		},
	}
	c.Flags().StringVar(&asset, "asset", "", "code of an asset: show only this holding (default: all; with --proof the network's demo asset)")
	c.Flags().BoolVar(&proof, "proof", false, "prove it against a certified state root")
	return c
}

func (a *app) accountShow(ctx context.Context, text, code string, proof bool) error {
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	no := chain.AssetNo(0)
	if code != "" || proof && s.network != nil && s.network.Asset != "" {
		asset, err := s.assetOr(ctx, code)
		if err != nil {
			return err
		}
		no, code = asset.Number, asset.Code
	}
	acc, err := s.accountWith(ctx, text, no, proof)
	if err != nil {
		return err
	}
	return a.printAccount(s, acc, code)
}

func (s *session) accountJSON(acc *client.Account) accountJSON {
	j := accountJSON{
		Height: acc.Height, Number: acc.Number, Address: acc.Address.String(), Institution: uint32(acc.Institution), Key: acc.Key,
		Frozen: acc.Frozen, Nonce: acc.Nonce, Holdings: []holdingJSON{},
	}
	for _, h := range acc.Holdings {
		j.Holdings = append(j.Holdings, holdingJSON{h.Code, h.Amount.Decimal(h.Scale)})
	}
	if path, err := s.ownKeyFile(acc, ""); err == nil {
		j.KeyFile = path
	}
	if acc.Slot != chain.SlotNone {
		j.Slot, j.Alias = &acc.Slot, s.recallAlias(acc.Address)
	}
	return j
}

func (a *app) printAccount(s *session, acc *client.Account, proved string) error {
	j := s.accountJSON(acc)
	if p := acc.Proved; p != nil {
		j.Proved = &provedJSON{RootHeight: p.RootHeight}
		if p.Asset != 0 && len(acc.Holdings) > 0 {
			j.Proved.Asset, j.Proved.Amount = proved, p.Amount.Decimal(acc.Holdings[0].Scale)
		}
	}
	return a.print(j, func(row func(...any)) {
		row("account", acc.Number, acc.Address)
		row("signs", signersOf(acc))
		if j.KeyFile != "" {
			row("key", j.KeyFile)
		}
		if j.Slot != nil {
			row("V10", cmp.Or(j.Alias, "(its name is not known here)"), fmt.Sprintf("slot %d", *j.Slot))
		}
		row("frozen", yesNo(acc.Frozen))
		for _, h := range j.Holdings {
			row("holds", h.Amount+" "+h.Asset)
		}
		row("as of height", acc.Height)
		if p := j.Proved; p != nil {
			what := "the account"
			if p.Asset != "" {
				what += ", and " + p.Amount + " " + p.Asset
			}
			row("proved", what, fmt.Sprintf("by the state root of height %d", p.RootHeight))
		}
	})
}
