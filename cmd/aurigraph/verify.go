// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/audit"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// errProblems is the end of a verification that found something; the report says what.
var errProblems = errors.New("problems were found")

// problemsShown bounds the problems that the table lists; --json lists all.
const problemsShown = 20

func newVerify(a *app) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Prove a stopped node's folder: every byte, signature and state root",
		Long: `Reads everything in a stopped node's folder and proves it: checksums of every byte, the chain of headers, all signatures, all
outcomes and state roots by executing again, the index against the ledger, and that no money was made or lost. It changes
nothing. The exit code is 0 if all is well and 1 if not.`,
		Example: `  aurigraph verify --node .aurigraph/node0
  aurigraph verify --node /srv/aurigraph/node0 --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.verify(cmd.Context(), dir) },
	}
	c.Flags().StringVar(&dir, "node", "", "the node's folder")
	_ = c.MarkFlagRequired("node") // fails only for a flag that does not exist
	return c
}

func (a *app) verify(ctx context.Context, dir string) error {
	bar := newBar(a.err)
	report, err := audit.Run(ctx, dir, audit.Options{Progress: bar.show})
	bar.clear()
	if err != nil {
		return err
	}
	if err := a.print(report, func(row func(...any)) { verdict(report, row) }); err != nil {
		return err
	}
	if !report.OK {
		return &reported{fault.Wrap(fault.Corrupt, errProblems, "verify %s", dir)}
	}
	return nil
}

// reported is an error that was printed already.
type reported struct{ error }

// Unwrap returns the error.
func (r *reported) Unwrap() error { return r.error }

func verdict(r *audit.Report, row func(...any)) {
	for i, p := range r.Problems {
		if i == problemsShown {
			row(fmt.Sprintf("… and %d more: see --json", len(r.Problems)-i))
			break
		}
		row("PROBLEM", p.File, p.Where, p.What)
	}
	for _, n := range r.Notes {
		row("note", n)
	}
	word := "OK"
	if !r.OK {
		word = fmt.Sprintf("NOT OK: %d problems", len(r.Problems))
	}
	row(fmt.Sprintf("%s: height %d, %d transfers executed again from height %d, %d files, %.1f s", word, r.Height, r.Legs, r.FromHeight, len(r.Files), r.Seconds))
}
