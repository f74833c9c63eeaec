// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func newTx(a *app) *cobra.Command {
	c := online(a, group("tx", "See transactions and legs of batches", newTxShow(a)))
	c.Long = `Shows what became of transactions, by their ids. Every payment prints its id.`
	c.Example = `  aurigraph tx show a531027a65c0f69d9d6378ed9a9ce81674d53104193da9b93f691ca03ca1892f
  aurigraph tx show a531027a65c0f69d9d6378ed9a9ce81674d53104193da9b93f691ca03ca1892f --proof`
	return c
}

func newTxShow(a *app) *cobra.Command {
	var proof bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a transaction by its id, or a leg of a batch by its leg id",
		Long: `Shows what became of a transaction or leg, and verifies it: the certificate by the validators' keys, outcome, content and place
by hashes and BLAKE3 slices of the batch it lies in. With --proof the proof itself is printed too, for others to check.

This is also how to find out what became of a payment whose outcome was unknown. As long as it is not found (exit code 1) it may
still be executed, until the chain has passed the height up to which it is valid: at most 85,536 blocks after it was signed.

Where the node has recycled the payload, the content is missing and nothing is verified ("verified no"): ask an archive node.`,
		Example: `  aurigraph tx show a531027a65c0f69d9d6378ed9a9ce81674d53104193da9b93f691ca03ca1892f
  aurigraph tx show a531027a65c0f69d9d6378ed9a9ce81674d53104193da9b93f691ca03ca1892f --proof --json`,
		Args: args("ID"),
		RunE: func(cmd *cobra.Command, got []string) error { return a.txShow(cmd.Context(), got[0], proof) },
	}
	c.Flags().BoolVar(&proof, "proof", false, "print the proof: header, certificate, outcomes and slices, in hex")
	return c
}

// found looks a transaction up and verifies it, unless the node has recycled the payload that the proof is made of.
func (s *session) found(ctx context.Context, id chain.Hash) (*client.Transaction, error) {
	t, err := s.Transaction(ctx, id, true)
	if fault.Is(err, fault.Pruned) {
		return s.Transaction(ctx, id, false)
	}
	return t, err
}

// txJSON is a transaction with its receipt.
type txJSON struct {
	paidJSON
	Batch  string     `json:"batch"`
	Item   uint32     `json:"item"`
	Result uint32     `json:"result,omitempty"`
	Kind   string     `json:"kind"`
	Detail details    `json:"detail,omitempty"`
	V10    *v10JSON   `json:"v10,omitempty"`
	Proof  *proofJSON `json:"proof,omitempty"`
}

// v10JSON is a transaction that came by sync as V10 has it.
type v10JSON struct {
	Tx      string `json:"tx,omitempty"` // absent: it has no id there
	Outcome string `json:"outcome"`
}

func v10Of(o *client.Origin) *v10JSON {
	if o == nil {
		return nil
	}
	j := &v10JSON{Outcome: o.Outcome.String()}
	if o.Round != 0 {
		j.Tx = v10.TxIDAt(o.TimeMs, chain.Height(o.Round), o.Place).String()
	}
	return j
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
	find := s.found
	if proof {
		find = func(ctx context.Context, id chain.Hash) (*client.Transaction, error) {
			return s.Transaction(ctx, id, true)
		}
	}
	t, err := find(ctx, id)
	if err != nil {
		return err
	}
	j, err := s.txJSON(ctx, t)
	if err != nil {
		return err
	}
	if !proof {
		j.Proof = nil
	}
	return a.print(j, func(row func(...any)) {
		row(j.Kind, j.Tx)
		row("outcome", j.Outcome)
		row("height", j.Height, fmt.Sprintf("item %d of batch %s", j.Item, j.Batch))
		if j.Result != 0 {
			row("made number", j.Result)
		}
		for _, f := range j.Detail {
			row(f.name, f.value)
		}
		if j.V10 != nil {
			row("V10's outcome", j.V10.Outcome)
			row("V10's id", j.V10.Tx)
		}
		row("verified", yesNo(j.Verified))
		if p := j.Proof; p != nil {
			for _, part := range []struct{ name, hex string }{
				{"header", p.Header}, {"certificate", p.Certificate}, {"outcomes", p.Outcomes}, {"front", p.Front}, {"item", p.Item},
			} {
				row(part.name, part.hex)
			}
		}
	})
}

func (s *session) txJSON(ctx context.Context, t *client.Transaction) (*txJSON, error) {
	paid, err := paidOf(t)
	if err != nil {
		return nil, err
	}
	j := &txJSON{paidJSON: *paid, Batch: t.Batch.String(), Item: t.Item, Result: t.Result, Kind: "transaction", V10: v10Of(t.Origin)}
	switch {
	case t.Leg && len(t.Bytes) > 0:
		leg, err := t.LegRecord()
		if err != nil {
			return nil, err
		}
		j.Kind = "leg"
		if j.Detail, err = s.legDetails(ctx, leg); err != nil {
			return nil, err
		}
	case len(t.Bytes) > 0:
		tx, err := t.SignedTx()
		if err != nil {
			return nil, err
		}
		j.Kind = tx.Body.Kind().String()
		if j.Detail, err = s.txDetails(ctx, tx); err != nil {
			return nil, err
		}
	}
	if t.Proof != nil {
		x := hex.EncodeToString
		j.Proof = &proofJSON{x(t.Certified.Header), x(t.Certified.Certificate), x(t.Packed), x(t.Proof.Front), x(t.Proof.Item)}
	}
	return j, nil
}
