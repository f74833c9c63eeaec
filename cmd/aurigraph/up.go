// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
)

// demoAccounts is how many funded accounts a demo network has.
const demoAccounts = 3

func newUp(a *app) *cobra.Command {
	o := network.Options{Name: "demo", Nodes: 1, Demo: true, Accounts: demoAccounts}
	c := &cobra.Command{
		Use:   "up",
		Short: "Run a network on this machine, made on the first run",
		Long: `Runs a network in the folder --network, and makes it there on the first run: a node, an institution, a demo asset and
three funded accounts. Ctrl-C stops it cleanly; running it again on the same folder continues.`,
		Example: `  aurigraph up
  aurigraph up --network /srv/trial --port 7450
  aurigraph up --network /tmp/net --json          one line on standard output when ready`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.up(cmd.Context(), o) },
	}
	c.Flags().IntVar(&o.Nodes, "nodes", o.Nodes, "validators of the network")
	c.Flags().IntVar(&o.Port, "port", 0, "port of the first node's API; its metrics are on the next (default: free ones)")
	return c
}

// upJSON is the line that `up --json` prints when ready.
type upJSON struct {
	Ready       bool              `json:"ready"`
	Chain       chain.ChainID     `json:"chain_id"`
	GRPC        []string          `json:"grpc"`
	TLS         tlsJSON           `json:"tls"`
	Metrics     []string          `json:"metrics"`
	Nodes       []upNode          `json:"nodes"`
	Accounts    []string          `json:"accounts"`
	Keys        map[string]string `json:"keys"`
	Institution upInstitution     `json:"institution"`
	Asset       string            `json:"asset"`
}

type tlsJSON struct {
	CA string `json:"ca"`
}

type upNode struct {
	ID  string `json:"id"`
	PID int    `json:"pid"`
	Dir string `json:"dir"`
}

type upInstitution struct {
	ID      string `json:"id"`
	KeyFile string `json:"key_file"`
}

func (a *app) up(ctx context.Context, o network.Options) error {
	dir, err := filepath.Abs(a.network)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "--network")
	}
	n, err := network.Create(dir, o)
	if err != nil {
		return err
	}
	processes, err := a.startNodes(ctx, n)
	if err == nil {
		err = a.announce(n, processes)
	}
	if err == nil {
		err = awaitEnd(ctx, processes)
	}
	errs := []error{err}
	for _, p := range processes {
		errs = append(errs, p.Stop())
	}
	if ctx.Err() != nil && err == nil {
		fmt.Fprintln(a.err, "stopped")
	}
	return errors.Join(errs...)
}

func (a *app) startNodes(ctx context.Context, n *network.Network) ([]*network.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "find this program")
	}
	var processes []*network.Process
	for i := range n.Nodes {
		logs, err := a.logsOf(n, i)
		if err != nil {
			return processes, err
		}
		p, err := n.StartNode(ctx, i, self, logs)
		if err != nil {
			if !a.json {
				err = fmt.Errorf("%w (%s)", err, n.Path(filepath.Join(n.Nodes[i].Dir, "node.log")))
			}
			return processes, err
		}
		processes = append(processes, p)
	}
	return processes, nil
}

// logsOf is where a node's log goes: standard error with --json, else a file, so that a person sees what matters.
func (a *app) logsOf(n *network.Network, i int) (io.Writer, error) {
	if a.json {
		return a.err, nil
	}
	f, err := os.OpenFile(n.Path(filepath.Join(n.Nodes[i].Dir, "node.log")), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the node's log")
	}
	return f, nil
}

// awaitEnd returns nil when ctx ends, and an error when a node does.
func awaitEnd(ctx context.Context, processes []*network.Process) error {
	ended := make(chan string, len(processes))
	for _, p := range processes {
		go func() {
			<-p.Ended()
			ended <- p.Node.ID
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case id := <-ended:
		if ctx.Err() != nil {
			return nil // both were told to stop
		}
		return fault.New(fault.Unavailable, "node %s ended: its log says why; the others are stopped", id)
	}
}

func (a *app) announce(n *network.Network, processes []*network.Process) error {
	j := upJSON{
		Ready: true, Chain: n.Chain, TLS: tlsJSON{n.Path(n.CA)}, Accounts: n.Accounts, Keys: map[string]string{}, Asset: n.Asset,
		Institution: upInstitution{fmt.Sprint(n.Institution.ID), n.Path(n.Institution.KeyFile)},
	}
	for address, path := range n.Keys {
		j.Keys[address] = n.Path(path)
	}
	for _, p := range processes {
		j.GRPC = append(j.GRPC, p.Ready.GRPC)
		j.Metrics = append(j.Metrics, metricsURL(p.Ready.Metrics))
		j.Nodes = append(j.Nodes, upNode{p.Node.ID, p.PID(), n.Path(p.Node.Dir)})
	}
	return a.print(j, func(row func(...any)) {
		row("network", n.Dir)
		row("chain", n.Chain)
		for i, p := range processes {
			row("node", p.Node.ID, "grpc "+j.GRPC[i], "metrics "+j.Metrics[i], fmt.Sprintf("pid %d", p.PID()))
		}
		row("institution", n.Institution.ID, j.Institution.KeyFile)
		for _, address := range n.Accounts {
			row("account", address, j.Keys[address])
		}
		row("asset", n.Asset)
		if len(n.Accounts) > 1 {
			row("try", fmt.Sprintf("aurigraph pay %s %s 12.5 --network %s", n.Accounts[0], n.Accounts[1], a.network))
		}
		row("ready: Ctrl-C stops the network, the same command continues it")
	})
}

func metricsURL(address string) string {
	if address == "" {
		return ""
	}
	return "http://" + address + "/metrics"
}
