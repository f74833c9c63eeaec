// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
)

func newTx(a *app) *cobra.Command {
	return group("tx", "See transactions and legs of batches", newTxShow(a))
}

func newTxShow(a *app) *cobra.Command {
	var proof bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a transaction by its id, or a leg of a batch by its leg id",
		Long: `Shows what became of a transaction or leg. Its certificate and outcome are always verified; with --proof also its content and
its place, by BLAKE3 slices of the batch it lies in.`,
		Example: `  aurigraph tx show 3f…
  aurigraph tx show 3f… --proof --json`,
		Args: args("ID"),
		RunE: func(cmd *cobra.Command, got []string) error { return a.txShow(cmd.Context(), got[0], proof) },
	}
	c.Flags().BoolVar(&proof, "proof", false, "prove content and place too")
	return c
}

// txJSON is a transaction with its receipt.
type txJSON struct {
	paidJSON
	Batch  string     `json:"batch"`
	Item   uint32     `json:"item"`
	Result uint32     `json:"result,omitempty"`
	Kind   string     `json:"kind"`
	Detail any        `json:"detail,omitempty"`
	Proof  *proofJSON `json:"proof,omitempty"`
}

type proofJSON struct {
	Header      string `json:"header"`
	Certificate string `json:"certificate"`
	Outcomes    string `json:"outcomes"`
	Front       string `json:"front"`
	Item        string `json:"item"`
}

func (a *app) txShow(ctx context.Context, text string, proof bool) error {
	id, err := chain.ParseHash(text)
	if err != nil {
		return err
	}
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	t, err := s.Transaction(ctx, id, proof)
	if err != nil {
		return err
	}
	j, err := txOf(t)
	if err != nil {
		return err
	}
	return a.print(j, func(row func(...any)) {
		row(j.Kind, j.Tx)
		row("outcome", j.Outcome)
		row("height", j.Height, fmt.Sprintf("item %d of batch %s", j.Item, j.Batch))
		if j.Result != 0 {
			row("made number", j.Result)
		}
		row("detail", fmt.Sprintf("%+v", j.Detail))
		row("verified", yesNo(j.Verified))
		if proof {
			row("proved", "content and place, by slices of the batch")
		}
	})
}

func txOf(t *client.Transaction) (*txJSON, error) {
	paid, err := paidOf(t)
	if err != nil {
		return nil, err
	}
	j := &txJSON{paidJSON: *paid, Batch: t.Batch.String(), Item: t.Item, Result: t.Result, Kind: "transaction"}
	switch {
	case t.Leg && len(t.Bytes) > 0:
		leg, err := t.LegRecord()
		if err != nil {
			return nil, err
		}
		j.Kind, j.Detail = "leg", leg
	case len(t.Bytes) > 0:
		tx, err := t.SignedTx()
		if err != nil {
			return nil, err
		}
		j.Kind, j.Detail = tx.Body.Kind().String(), tx.Body
	}
	if t.Proof != nil {
		x := hex.EncodeToString
		j.Proof = &proofJSON{x(t.Certified.Header), x(t.Certified.Certificate), x(t.Packed), x(t.Proof.Front), x(t.Proof.Item)}
	}
	return j, nil
}
