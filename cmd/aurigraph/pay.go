// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// payFlags are what pay takes.
type payFlags struct {
	asset, reference, key, file string
}

func newPay(a *app) *cobra.Command {
	var f payFlags
	c := &cobra.Command{
		Use:   "pay FROM TO AMOUNT",
		Short: "Pay from one account to another, or carry out a payment file",
		Long: `Pays AMOUNT, a decimal in the asset's scale, and answers when the block is certified; the receipt is verified against the
validators' keys. Accounts are addresses or numbers. FROM's key is looked for in the network's folder.

With --file, pays what a CSV file (from,to,amount[,asset][,reference]) or an ISO 20022 pain.001 file lists. The whole file is
validated first. A journal beside it makes the same command safe to run again after any interruption: nobody is paid twice.`,
		Example: `  aurigraph pay 0x… 0x… 12.5
  aurigraph pay 3 4 0.00000001 --asset AUR --reference "invoice 42"
  aurigraph pay --file payments.csv
  aurigraph pay --file salaries.pain001.xml`,
		Args: func(cmd *cobra.Command, got []string) error {
			if f.file != "" {
				return args()(cmd, got)
			}
			return args("FROM", "TO", "AMOUNT")(cmd, got)
		},
		RunE: func(cmd *cobra.Command, got []string) error {
			if f.file != "" {
				return a.payFile(cmd.Context(), f)
			}
			return a.pay(cmd.Context(), got[0], got[1], got[2], f)
		},
	}
	c.Flags().StringVar(&f.asset, "asset", "", "code of the asset (default: the network's demo asset)")
	c.Flags().StringVar(&f.reference, "reference", "", "text for the payee, up to 32 bytes; longer text is hashed")
	c.Flags().StringVar(&f.key, "key", "", "key file of FROM, if it is not in the network's folder")
	c.Flags().StringVar(&f.file, "file", "", "CSV or pain.001 file of payments")
	return c
}

// paidJSON is a payment's verified receipt.
type paidJSON struct {
	Tx          string          `json:"tx"`
	Height      chain.Height    `json:"height"`
	Outcome     string          `json:"outcome"`
	Certificate certificateJSON `json:"certificate"`
	Verified    bool            `json:"verified"`
}

type certificateJSON struct {
	Epoch      chain.Epoch     `json:"epoch"`
	Height     chain.Height    `json:"height"`
	Header     string          `json:"header"`
	Signatures []signatureJSON `json:"signatures"`
}

type signatureJSON struct {
	Validator chain.ValidatorNo `json:"validator"`
	Ed25519   string            `json:"ed25519"`
	MLDSA65   string            `json:"ml_dsa_65,omitempty"`
}

func (a *app) pay(ctx context.Context, from, to, text string, f payFlags) error {
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	payer, err := s.account(ctx, from)
	if err != nil {
		return err
	}
	payee, err := s.account(ctx, to)
	if err != nil {
		return err
	}
	asset, amount, err := s.amount(ctx, f.asset, text)
	if err != nil {
		return err
	}
	by, err := s.actorFor(ctx, payer, f.key)
	if err != nil {
		return err
	}
	t, err := s.submit(ctx, by, &chain.Transfer{To: payee.Number, Asset: asset.Number, Amount: amount, Reference: referenceOf(f.reference)})
	if err != nil {
		return err
	}
	return a.printPaid(t)
}

// referenceOf is a reference as it travels: the text if it fits, else its BLAKE3.
func referenceOf(text string) [32]byte {
	if len(text) > 32 {
		return codec.Sum([]byte(text))
	}
	var r [32]byte
	copy(r[:], text)
	return r
}

func (a *app) printPaid(t *client.Transaction) error {
	j, err := paidOf(t)
	if err != nil {
		return err
	}
	return a.print(j, func(row func(...any)) {
		row("tx", j.Tx)
		row("outcome", j.Outcome)
		row("height", j.Height)
		row("certificate", len(j.Certificate.Signatures), "signature(s) over header", j.Certificate.Header)
		row("verified", yesNo(j.Verified))
	})
}

func paidOf(t *client.Transaction) (*paidJSON, error) {
	cert, err := codec.DecodeCertificate(t.Certified.Certificate)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the receipt's certificate")
	}
	j := &paidJSON{Tx: hex.EncodeToString(t.ID[:]), Height: t.Height, Outcome: t.Outcome.String(), Verified: t.Verified,
		Certificate: certificateJSON{Epoch: cert.Epoch, Height: cert.Height, Header: cert.Header.String()}}
	for _, s := range cert.Signatures {
		j.Certificate.Signatures = append(j.Certificate.Signatures, signatureJSON{s.Validator, hex.EncodeToString(s.Header), hex.EncodeToString(s.Root)})
	}
	return j, nil
}
