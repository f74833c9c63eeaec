// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/payfile"
)

// payOnce pays as a payment file of one line does: its journal holds the signed bytes before they are sent, so that the
// same command goes on with them.
func (a *app) payOnce(ctx context.Context, from, to, amount string, f payFlags) error {
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	p, err := s.payment(ctx, from, to, amount, f)
	if err != nil {
		return err
	}
	file, err := p.asFile(f)
	if err != nil {
		return err
	}
	_, last, err := s.importFile(ctx, f.once, file, f)
	switch {
	case fault.ReasonOf(err) == "unknown_outcome" && !last.IsZero():
		return &client.UnknownOutcomeError{ID: last, Cause: err}
	case err != nil:
		return err
	}
	id, err := onceID(f.once)
	if err != nil {
		return err
	}
	t, err := s.found(ctx, id)
	if err != nil {
		return &client.UnknownOutcomeError{ID: id, Cause: err} // it is settled, but its receipt could not be had
	}
	if t.Outcome != chain.OK {
		return refused(id, t.Outcome)
	}
	return a.printPaid(t)
}

// asFile writes a payment as a file of one line. However its parts were written, the same payment is the same file.
func (p *payment) asFile(f payFlags) (*payfile.File, error) {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	for _, record := range [][]string{
		{"from", "to", "amount", "asset", "reference"},
		{fmt.Sprint(p.by.account.Number), fmt.Sprint(p.body.To), p.body.Amount.Decimal(p.asset.Scale), p.asset.Code, f.reference},
	} {
		if err := w.Write(record); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "write the payment")
		}
	}
	w.Flush()
	return payfile.Parse(f.once, &text, payfile.DefaultLimits())
}

// onceID reads the payment's id from its outcomes.
func onceID(name string) (chain.Hash, error) {
	text, err := os.ReadFile(name + ".outcomes.csv")
	if err != nil {
		return chain.Hash{}, fault.Wrap(fault.Unavailable, err, "read the outcome")
	}
	records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(records) != 2 || len(records[1]) != 4 {
		return chain.Hash{}, fault.New(fault.Corrupt, "%s.outcomes.csv is not what was written a moment ago: look at it", name)
	}
	return chain.ParseHash(records[1][3])
}
