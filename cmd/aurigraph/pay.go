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
	asset, reference, key, file, once string
}

func newPay(a *app) *cobra.Command {
	var f payFlags
	c := &cobra.Command{
		Use:   "pay FROM TO AMOUNT",
		Short: "Pay from one account to another, or carry out a payment file",
		Long: `Pays AMOUNT, a decimal in the asset's scale ("12" or "12.5"; no sign, no exponent, no rounding), and answers when the block is
certified; the receipt is verified against the validators' keys. FROM and TO are numbers, addresses (0x…) or alias:NAME.
FROM's key is looked for in the network's folder: its own, else its custodian's.

If the answer is lost, as when the node is killed, the payment may have happened or not: the exit code is 3, and the message has
the transaction's id and the command that finds out. Do not just pay again: a second run is a second payment. With --once
FILE it is not: FILE.journal remembers the signed bytes before they are sent, and the same command with the same FILE goes on
with them, however often it is run and whatever was killed. Use another FILE for each payment, and after a refusal.

With --file, pays what a CSV file (from,to,amount[,asset][,reference]) or an ISO 20022 pain.001 file lists. The whole file is
validated first; in it accounts are numbers or addresses. FILE.journal makes the same command safe to run again after any
interruption, Ctrl-C too: nobody is paid twice. FILE.outcomes.csv then says what became of each line.

Exit codes: 0 paid; 1 failed before anything was sent, or the node's answer does not verify (the message has the id: ask
another node); 2 refused, with --file some lines; 3 the outcome is unknown.`,
		Example: `  aurigraph pay 3 4 12.5
  aurigraph pay 3 4 0.00000001 --asset AUR --reference "invoice 42"
  aurigraph pay 3 "alias:ACME GmbH/EUR" 100
  aurigraph pay 3 4 250 --once rent-july          run it again after exit code 3: it pays once
  aurigraph pay --file payments.csv
  aurigraph pay --file salaries.pain001.xml --json`,
		Args: func(cmd *cobra.Command, got []string) error {
			if cmd.Flags().Changed("file") {
				return args()(cmd, got)
			}
			return args("FROM", "TO", "AMOUNT")(cmd, got)
		},
		RunE: func(cmd *cobra.Command, got []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			switch {
			case f.file != "":
				return a.payFile(cmd.Context(), f)
			case f.once != "":
				return a.payOnce(cmd.Context(), got[0], got[1], got[2], f)
			}
			return a.pay(cmd.Context(), got[0], got[1], got[2], f)
		},
	}
	c.Flags().StringVar(&f.asset, "asset", "", "code of the asset (default: the network's demo asset)")
	c.Flags().StringVar(&f.reference, "reference", "", "text for the payee, up to 32 bytes; of a longer text its BLAKE3 is sent")
	c.Flags().StringVar(&f.key, "key", "", "key file of FROM, if it is not in the network's folder")
	c.Flags().StringVar(&a.passphrase, "passphrase-file", "", "file with the passphrase of an encrypted --key")
	c.Flags().StringVar(&f.once, "once", "", "pay at most once, however often this is run; what is needed for that is kept in FILE.journal")
	c.Flags().StringVar(&f.file, "file", "", "CSV or pain.001 file of payments")
	return online(a, c)
}

// check refuses flags that would be ignored.
func (f *payFlags) check(cmd *cobra.Command) error {
	for _, name := range []string{"file", "once", "key"} {
		if flag := cmd.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
			return usage(cmd, "--%s is empty", name)
		}
	}
	switch {
	case f.file != "" && f.once != "":
		return usage(cmd, "--file and --once exclude each other: a payment file is always paid once")
	case f.file != "" && f.reference != "":
		return usage(cmd, "--file and --reference exclude each other: each line of the file has its own")
	}
	return nil
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

// payment is a payment that can be signed.
type payment struct {
	by    *actor
	asset *client.Asset
	body  *chain.Transfer
}

func (a *app) pay(ctx context.Context, from, to, text string, f payFlags) error {
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	p, err := s.payment(ctx, from, to, text, f)
	if err != nil {
		return err
	}
	t, err := s.submit(ctx, p.by, p.body)
	if err != nil {
		return err
	}
	return a.printPaid(t)
}

// payment finds what a payment names, and refuses what the ledger would refuse for its form.
func (s *session) payment(ctx context.Context, from, to, text string, f payFlags) (*payment, error) {
	payer, err := s.account(ctx, from)
	if err != nil {
		return nil, refusedIfMissing(err)
	}
	payee, err := s.account(ctx, to)
	if err != nil {
		return nil, refusedIfMissing(err)
	}
	if payer.Number == payee.Number {
		return nil, fault.New(fault.Invalid, "%s and %s are the same account: nobody pays himself", from, to)
	}
	asset, amount, err := s.amount(ctx, f.asset, text)
	if err != nil {
		return nil, refusedIfMissing(err)
	}
	by, err := s.actorFor(ctx, payer, f.key)
	if err != nil {
		return nil, err
	}
	return &payment{by, asset, &chain.Transfer{To: payee.Number, Asset: asset.Number, Amount: amount, Reference: referenceOf(f.reference)}}, nil
}

// refusedIfMissing makes a payment that names what does not exist a refused one: nothing is wrong with the network.
func refusedIfMissing(err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return fault.Reasoned(fault.Refused, "names_nothing", "%v", err)
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

// certificateOf is the certificate under a payment's header. A seal signs for a header without signatures of its own.
func certificateOf(t *client.Transaction) (*chain.Certificate, error) {
	if codec.IsSealedTail(t.Certified.Certificate) && t.Header != nil {
		return &chain.Certificate{Epoch: t.Header.Epoch, Height: t.Header.Height, Header: codec.Sum(t.Certified.Header)}, nil
	}
	cert, err := codec.DecodeCertificate(t.Certified.Certificate)
	return cert, fault.Wrap(fault.Corrupt, err, "the receipt's certificate")
}

func paidOf(t *client.Transaction) (*paidJSON, error) {
	cert, err := certificateOf(t)
	if err != nil {
		return nil, err
	}
	j := &paidJSON{Tx: hex.EncodeToString(t.ID[:]), Height: t.Height, Outcome: t.Outcome.String(), Verified: t.Verified,
		Certificate: certificateJSON{Epoch: cert.Epoch, Height: cert.Height, Header: cert.Header.String()}}
	for _, s := range cert.Signatures {
		j.Certificate.Signatures = append(j.Certificate.Signatures, signatureJSON{s.Validator, hex.EncodeToString(s.Header), hex.EncodeToString(s.Root)})
	}
	return j, nil
}
