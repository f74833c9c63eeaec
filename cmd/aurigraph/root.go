// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/node"
)

// app is what all commands share.
type app struct {
	out, err io.Writer
	json     bool

	network  string // folder
	endpoint string
	ca       string
	trust    string // genesis file
}

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	a := &app{out: out, err: errOut}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var done *reported
	if err != nil && !errors.As(err, &done) {
		a.printError(err)
	}
	return exitCode(err)
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "aurigraph",
		Short: "A permissioned ledger: run it, pay on it, prove it",
		Long: `A permissioned ledger whose history no liar can rewrite.

Exit codes: 0 done; 1 failed; 2 refused, the request will not do as it is; 3 the outcome is unknown, ask again by id.`,
		Example: `  aurigraph up                                   a demo network in .aurigraph
  aurigraph pay 0x… 0x… 12.5                     a payment, with a verified receipt
  aurigraph verify --node .aurigraph/node0       proof from disk, of a stopped node`,
		Version:       node.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print JSON, one line")
	f.StringVar(&a.network, "network", ".aurigraph", "folder of the network")
	f.StringVar(&a.endpoint, "endpoint", "", "node to talk to, host:port, instead of those of --network")
	f.StringVar(&a.ca, "ca", "", "PEM file of who vouches for --endpoint's certificate")
	f.StringVar(&a.trust, "trust", "", "genesis file of the network behind --endpoint: receipts are verified against it")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(
		newUp(a), newNode(a), newAccount(a), newAsset(a), newPay(a), newTx(a), newBlock(a), newStatus(a), newVerify(a), newBench(a),
	)
	return root
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.error }

// args checks the number of arguments, naming them.
func args(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, got []string) error {
		if len(got) == len(names) {
			return nil
		}
		return &usageError{fmt.Errorf("%s takes %d arguments (%v), not %d: see `%s --help`", cmd.CommandPath(), len(names), names, len(got), cmd.CommandPath())}
	}
}

// group is a command that only has subcommands.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, got []string) error {
		if len(got) == 0 {
			return cmd.Help()
		}
		return &usageError{errors.New("unknown command " + got[0] + ": see `" + cmd.CommandPath() + " --help`")}
	}}
	c.AddCommand(subs...)
	return c
}
