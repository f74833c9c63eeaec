// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/payfile"
)

func (a *app) payFile(ctx context.Context, f payFlags) error {
	in, err := os.Open(f.file)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "open the payment file")
	}
	defer in.Close()
	file, err := payfile.Parse(f.file, in, payfile.DefaultLimits())
	if err != nil {
		return err
	}
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	report, _, err := s.importFile(ctx, f.file, file, f)
	if err != nil {
		return err
	}
	return a.printImport(report)
}

// importFile pays a parsed file with the journal of a name, and also returns the last id that was sent.
func (s *session) importFile(ctx context.Context, name string, file *payfile.File, f payFlags) (r *payfile.Report, last chain.Hash, err error) {
	d := &desk{session: s, flags: f, signers: map[chain.KeyNo]client.Signer{}, batches: map[uint64]client.BatchAnswer{}, txs: map[uint64]client.TxAnswers{}}
	defer d.close()
	bar := s.app.newBar()
	defer bar.clear()
	bar.spin("looking accounts up")
	plan, err := payfile.NewPlan(ctx, file, d)
	if err != nil {
		return nil, last, interrupted(ctx, err)
	}
	bar.clear()
	if f.file != "" {
		s.app.announceFile(file)
	}
	j, err := payfile.OpenJournal(payfile.OSDisk{}, name, file, s.trust.ChainID, uint8(1+rand.IntN(network.DeskChannelFirst-1)))
	if err != nil {
		return nil, last, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	r, err = payfile.Run(ctx, plan, j, d, payfile.Options{Progress: func(done, of int) { bar.show("paying", int64(done), int64(of)) }})
	return r, d.last, d.unknown(err)
}

// interrupted is the error of what was broken off before anything was sent.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fault.New(fault.Unavailable, "interrupted: nothing was sent")
}

// unknown is the error of a run that stopped. Once anything was sent, "the node cannot be reached" means "the outcome is
// unknown".
func (d *desk) unknown(err error) error {
	if d.tag == 0 || !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Halted) {
		return err
	}
	return &fault.Error{Kind: fault.Timeout, Reason: "unknown_outcome", Text: "not all outcomes are known", Cause: err}
}

func (a *app) announceFile(f *payfile.File) {
	if a.json {
		return
	}
	for _, t := range f.Totals {
		asset := t.Asset
		if asset == "" {
			asset = "of the network's asset"
		}
		fmt.Fprintf(a.out, "%d payments, %s %s\n", t.Lines, t.Amount, asset)
	}
}

type importJSON struct {
	Lines       int            `json:"lines"`
	OK          int            `json:"ok"`
	Outcomes    map[string]int `json:"outcomes"`
	Resumed     bool           `json:"resumed"`
	SignedAgain int            `json:"signed_again"`
	File        string         `json:"outcomes_file"`
}

func (a *app) printImport(r *payfile.Report) error {
	j := importJSON{r.Lines, r.OK, map[string]int{}, r.Resumed, r.SignedAgain, r.Path}
	for _, c := range r.Outcomes {
		j.Outcomes[c.Outcome.String()] = c.Lines
	}
	if err := a.print(j, func(row func(...any)) {
		row("paid", fmt.Sprintf("%d of %d", j.OK, j.Lines))
		for _, c := range r.Outcomes {
			if c.Outcome != chain.OK {
				row(c.Outcome, c.Lines, adviceOf(c.Outcome))
			}
		}
		row("resumed", yesNo(j.Resumed))
		row("outcomes", j.File)
	}); err != nil {
		return err
	}
	if r.OK < r.Lines {
		return &reported{fault.Reasoned(fault.Refused, "lines_refused", "%d of %d payments were refused", r.Lines-r.OK, r.Lines)}
	}
	return nil
}
