// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/audit"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
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
outcomes and state roots by executing again, the index against the ledger, and that no money was made or lost. Of one validator
among several it proves that it signed nothing but what a quorum certified. It needs no other node and no key, and changes
nothing. It reads about a gigabyte in some seconds; a bar shows how far it is.

Exit codes: 0 all is well; 1 there are problems, or it could not finish; 2 the folder is in use, or the command line is wrong.`,
		Example: `  aurigraph verify --node .aurigraph/node0
  aurigraph verify --node /srv/aurigraph/node0 --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := nodeFolder(cmd, "node", dir)
			if err != nil {
				return err
			}
			return a.verify(cmd.Context(), dir)
		},
	}
	c.Flags().StringVar(&dir, "node", "", "the node's folder, in which config.yaml lies (required)")
	return c
}

// nodeFolder is a node's folder as an absolute path. It refuses what is none, above all the network's folder around it.
func nodeFolder(cmd *cobra.Command, flag, dir string) (string, error) {
	if dir == "" {
		return "", usage(cmd, "name the node's folder with --%s DIR", flag)
	}
	if n, err := network.Open(dir); err == nil {
		return "", usage(cmd, "%s is a network's folder: name its node's, --%s %s", dir, flag, n.Path(n.Nodes[0].Dir))
	}
	if _, err := os.Stat(filepath.Join(dir, config.FileName)); errors.Is(err, os.ErrNotExist) {
		return "", fault.New(fault.NotFound, "%s is no node's folder, it has no %s: is the path right?", dir, config.FileName)
	}
	dir, err := filepath.Abs(dir)
	return dir, fault.Wrap(fault.Invalid, err, "--%s", flag)
}

func (a *app) verify(ctx context.Context, dir string) error {
	bar := a.newBar()
	report, err := audit.Run(ctx, dir, audit.Options{Progress: bar.show})
	bar.clear()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was proved, and nothing was changed")
	}
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
