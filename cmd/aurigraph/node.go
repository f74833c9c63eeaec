// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/obs"
)

func newNode(a *app) *cobra.Command {
	return group("node", "Make and run a node", newNodeInit(a), newNodeStart(a))
}

func newNodeInit(a *app) *cobra.Command {
	o := network.Options{Name: "network", Nodes: 1}
	var dir string
	c := &cobra.Command{
		Use:   "init",
		Short: "Make a network of one node without accounts, and its keys",
		Long: `Makes the folder of a new network with one validator: genesis, keys of the governance and of one institution, and the
node's folder with its settings. Edit config.yaml there before the first start. It never overwrites.`,
		Example: `  aurigraph node init --dir /srv/aurigraph --name payments
  aurigraph node start --dir /srv/aurigraph/node0`,
		Args: args(),
		RunE: func(*cobra.Command, []string) error {
			n, err := network.Create(dir, o)
			if err != nil {
				return err
			}
			return a.print(n, func(row func(...any)) {
				row("network", n.Dir, "chain", n.Chain)
				row("genesis", n.GenesisHash)
				row("start it with", "aurigraph node start --dir "+n.Path(n.Nodes[0].Dir))
			})
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder to make the network in")
	c.Flags().StringVar(&o.Name, "name", o.Name, "name of the network")
	c.Flags().BoolVar(&o.Demo, "demo", false, "with a demo asset and three funded accounts")
	c.Flags().IntVar(&o.Port, "port", 0, "port of the API; metrics are on the next (default: free ones)")
	o.Accounts = demoAccounts
	_ = c.MarkFlagRequired("dir") // fails only for a flag that does not exist
	return c
}

func newNodeStart(a *app) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "start",
		Short: "Run a node until it is told to stop",
		Long: `Runs the node in a folder until SIGTERM or Ctrl-C. Logs are JSON lines on standard error. With --json it prints one line on
standard output once it serves. A node whose writer had to stop exits with 1; start it again and it recovers.`,
		Example: `  aurigraph node start --dir /srv/aurigraph/node0`,
		Args:    args(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runNode(cmd.Context(), dir) },
	}
	c.Flags().StringVar(&dir, "dir", "", "the node's folder")
	_ = c.MarkFlagRequired("dir") // fails only for a flag that does not exist
	return c
}

func (a *app) runNode(ctx context.Context, dir string) (err error) {
	cfg, err := config.Load(dir)
	if err != nil {
		return err
	}
	level, err := obs.ParseLevel(cfg.LogLevel)
	if err != nil {
		return err
	}
	log := obs.NewLogger(a.err, level)
	debug.SetMemoryLimit(cfg.Memory.LimitBytes)
	debug.SetGCPercent(cfg.Memory.GCPercent)
	n, err := node.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	ended := make(chan struct{})
	announced := make(chan error, 1)
	go func() { announced <- a.announceNode(n, ended) }()
	err = n.Run(ctx)
	close(ended)
	if err != nil {
		log.Error("the node stopped", obs.KeyErr, err.Error())
	}
	return errors.Join(err, <-announced)
}

func (a *app) announceNode(n *node.Node, ended <-chan struct{}) error {
	select {
	case <-ended:
		return nil
	case <-n.Ready():
	}
	if !a.json {
		return nil
	}
	text, err := json.Marshal(network.ReadyLine{Ready: true, GRPC: n.GRPCAddress(), Metrics: n.MetricsAddress(), PID: os.Getpid()})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the ready line")
	}
	_, err = fmt.Fprintln(a.out, string(text))
	return err
}
