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
	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
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
three funded accounts. Ctrl-C stops it cleanly; running it again on the same folder continues. A second Ctrl-C does not wait.

When it is ready it prints the accounts, where their keys are, and a payment to try. The node's log is in node0/node.log of the
folder; with --json it goes to standard error, and standard output gets one line of JSON when the network is ready.

Exit codes: 0 it was told to stop; 1 a node could not start or ended; 2 the folder is in use or holds something else.`,
		Example: `  aurigraph up
  aurigraph up --network /srv/trial --port 7450
  aurigraph up --network /tmp/net --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkPort(cmd, o.Port); err != nil {
				return err
			}
			return a.up(cmd.Context(), o)
		},
	}
	c.Flags().IntVar(&o.Nodes, "nodes", o.Nodes, "validators of the network; this version runs 1")
	c.Flags().IntVar(&o.Port, "port", 0, "port of the first node's API, 1 to 65534; its metrics are on the next (default: free ones)")
	return networkFlag(a, c)
}

// portMax leaves room for the metrics' port above.
const portMax = 65534

func checkPort(cmd *cobra.Command, port int) error {
	if cmd.Flags().Changed("port") && (port < 1 || port > portMax) {
		return usage(cmd, "--port %d, must be 1 to %d", port, portMax)
	}
	return nil
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
	if err := a.notRunning(dir); err != nil {
		return err
	}
	n, err := network.Create(dir, o)
	if err != nil {
		return err
	}
	bar := a.newBar()
	bar.spin("starting: a node executes again what its newest checkpoint does not have")
	processes, err := a.startNodes(ctx, n)
	bar.clear()
	if err == nil {
		err = a.announce(n, processes)
	}
	if err == nil {
		err = awaitEnd(ctx, processes)
	}
	if ctx.Err() != nil && !a.json {
		fmt.Fprintln(a.err, "stopping the network; a second Ctrl-C does not wait")
	}
	bar.spin("stopping")
	errs := []error{err}
	for _, p := range processes {
		errs = append(errs, p.Stop())
	}
	bar.clear()
	if errors.Is(err, context.Canceled) {
		errs = errs[1:] // it was told to stop before it was ready
	}
	if ctx.Err() != nil && errors.Join(errs...) == nil && !a.json {
		fmt.Fprintln(a.err, "stopped")
	}
	return errors.Join(errs...)
}

// notRunning refuses a network whose nodes run already: making it ready for a start would give it other ports.
func (a *app) notRunning(dir string) error {
	n, err := network.Open(dir)
	if err != nil {
		return nil // the network is made, or the error is found, by what follows
	}
	for _, node := range n.Nodes {
		cfg, err := config.Load(n.Path(node.Dir))
		if err != nil {
			return err
		}
		if locked(filepath.Join(cfg.Data(""), "LOCK")) {
			return fault.New(fault.Conflict, "the network in %s runs already, at %s: use it, or stop it first", dir, node.GRPC)
		}
	}
	return nil
}

// locked reports whether a process holds a lock file.
func locked(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() // which also gives the lock back
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
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
			row("try", a.tryLine(n.Accounts[0], n.Accounts[1]))
		}
		row("ready: Ctrl-C stops the network, the same command continues it")
	})
}

// tryLine is a payment to copy into another terminal.
func (a *app) tryLine(from, to string) string {
	words := []string{a.self, "pay", from, to, "12.5"}
	if a.network != networkDefault {
		words = append(words, "--network", a.network)
	}
	return shellLine(words...)
}

func metricsURL(address string) string {
	if address == "" {
		return ""
	}
	return "http://" + address + "/metrics"
}
