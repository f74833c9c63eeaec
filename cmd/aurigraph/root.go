// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/node"
)

// app is what all commands share.
type app struct {
	self     string // how this program was called, for command lines that people copy
	out, err io.Writer
	json     bool

	network  string // folder
	endpoint string
	ca       string
	trust    string // genesis file
	aliasKey string // file

	passphrase string // file
}

// networkDefault is the folder that commands look for a network in.
const networkDefault = ".aurigraph"

// run carries out one command line and returns the exit code.
func run(ctx context.Context, self string, args []string, out, errOut io.Writer) int {
	a := &app{self: self, out: out, err: errOut}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var done *reported
	var bad *usageError
	if errors.As(err, &bad) && slices.Contains(args, "--json") {
		a.json = true // parsing ended before it
	}
	if err != nil && !errors.As(err, &done) {
		a.printError(err)
	}
	return exitCode(err)
}

func newRoot(a *app) *cobra.Command {
	root := group("aurigraph", "A permissioned ledger: run it, pay on it, prove it",
		newUp(a), newNode(a), newGateway(a), newAccount(a), newAsset(a), newPay(a), newTx(a), newBlock(a), newStatus(a), newValidators(a), newVerify(a), newVerifySync(a), newBench(a), newDemo(a), newSim(a), newV10(a), newSync(a), newMigrate(a), newCopy(a), newArchive(a), newAPIKey(a), newAudit(a), newCompletion(a),
	)
	root.Long = `A permissioned ledger whose history no liar can rewrite: run a network, pay on it, and prove what happened.

Begin with "aurigraph up". It makes a network with three funded accounts in .aurigraph and prints a payment to try in
another terminal. All other commands find that network by themselves when they are run in the same folder.

Exit codes of every command:
  0  done
  1  failed: something is missing, broken or out of reach
  2  refused: the request will not do as it is; the command line, the amount, the key or the ledger's rules say no
  3  the outcome is unknown: it may have happened or not; the message says how to find out`
	root.Example = `  aurigraph up                                   a demo network in .aurigraph
  aurigraph pay 3 4 12.5                         a payment between its accounts, with a verified receipt
  aurigraph account show 4 --proof               a balance, proved against a certified state root
  aurigraph verify --node .aurigraph/node0       proof from disk, of a stopped node`
	root.Version = node.Version
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one line of JSON on standard output, errors included")
	root.SetFlagErrorFunc(flagError)
	return root
}

// flagError is an error of flag parsing, in words for people.
func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	switch {
	case digitFlag.MatchString(text):
		text = "an amount or a number cannot begin with a minus sign"
	case strings.HasPrefix(text, "invalid argument"):
		if flag, value, ok := badValue(text); ok {
			text = fmt.Sprintf("%s is no good value for %s", value, flag)
		}
	}
	return usage(cmd, "%s", text)
}

var (
	digitFlag   = regexp.MustCompile(`^unknown shorthand flag: '[0-9.]'`)
	invalidFlag = regexp.MustCompile(`^invalid argument ("[^"]*") for "(?:-\w, )?(--[a-z-]+)" flag`)
)

func badValue(text string) (flag, value string, ok bool) {
	m := invalidFlag.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return m[2], m[1], true
}

// networkFlag adds --network.
func networkFlag(a *app, c *cobra.Command) *cobra.Command {
	c.PersistentFlags().StringVar(&a.network, "network", networkDefault, "folder of the network: its node's address, its keys, what receipts are verified against")
	return c
}

// online adds to a command, and those below it, the flags that say which network it talks to.
func online(a *app, c *cobra.Command) *cobra.Command {
	f := networkFlag(a, c).PersistentFlags()
	f.StringVar(&a.endpoint, "endpoint", "", "talk to this node, host:port, instead of a network on this machine; needs --trust")
	f.StringVar(&a.ca, "ca", "", "with --endpoint: PEM file of who vouches for the node's certificate (default: the system's authorities)")
	f.StringVar(&a.trust, "trust", "", "with --endpoint: genesis file of that network; receipts are verified against it")
	f.StringVar(&a.aliasKey, "alias-key", "", "file of the key under which the network knows V10 names (default: keys/alias.key of the network's folder)")
	c.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return a.checkOnline(cmd) }
	return c
}

// checkOnline refuses flags that would be ignored: who gives --trust believes that it is looked at.
func (a *app) checkOnline(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	switch {
	case a.endpoint == "" && changed("endpoint"):
		return usage(cmd, "--endpoint is empty: write host:port")
	case a.endpoint == "" && (changed("ca") || changed("trust")):
		return usage(cmd, "--ca and --trust go with --endpoint; a network on this machine has its own in --network")
	case a.endpoint != "" && changed("network"):
		return usage(cmd, "--endpoint and --network exclude each other: with --endpoint give keys by --key")
	case a.endpoint != "" && a.trust == "":
		return usage(cmd, "--endpoint needs --trust GENESIS: without it no receipt can be verified")
	}
	return nil
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.error }

// usage is a usageError that names the help to read.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Errorf("%s: see `%s --help`", fmt.Sprintf(format, args...), cmd.CommandPath())}
}

// args checks the number of arguments, naming them.
func args(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, got []string) error {
		switch {
		case len(got) == len(names):
			return nil
		case len(names) == 0:
			return usage(cmd, "%s takes no arguments, %q is one", cmd.CommandPath(), got[0])
		case len(got) < len(names):
			return usage(cmd, "%s takes %s: %s is missing", cmd.CommandPath(), strings.Join(names, " "), names[len(got)])
		}
		return usage(cmd, "%s takes %s: %q is too many", cmd.CommandPath(), strings.Join(names, " "), got[len(names)])
	}
}

// group is a command that only has subcommands.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: func(cmd *cobra.Command, got []string) error {
		if len(got) == 0 {
			return cmd.Help()
		}
		text := fmt.Sprintf("%s has no command %q", cmd.CommandPath(), got[0])
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(got[0]); len(near) > 0 {
			text += ", did you mean " + strings.Join(near, " or ") + "?"
		}
		return usage(cmd, "%s", text)
	}}
	c.AddCommand(subs...)
	return c
}
