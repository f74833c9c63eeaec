// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/legacy"
)

// demoAccounts is how many funded accounts a demo network has.
const demoAccounts = 3

// validatorsOffered are the sizes of networks that make sense on one machine: with 4 one may fail or lie, with 7 two.
var validatorsOffered = []int{1, 4, 7}

// upOptions is what to run.
type upOptions struct {
	network.Options
	withV10  bool   // a V10 reference ledger beside the network, in step with it
	v10Store string // what keeps it
	kafka    string // host:port of the brokers; empty: as before, one of its own at first
	journal  string // URL of the database of the migration's journal; empty: as before, a file at first
	router   string // which router; empty: as before, embedded at first
	named    string // file of the V10 accounts of a new network that get a slot of their own
	door     string // host:port at which the router reaches V11; empty: as before, the first validator at first
}

func newUp(a *app) *cobra.Command {
	o := upOptions{Options: network.Options{Name: "demo", Demo: true, Accounts: demoAccounts, V10: true}}
	c := &cobra.Command{
		Use:   "up",
		Short: "Run a network on this machine, made on the first run",
		Long: `Runs a network in the folder --network, and makes it there on the first run: four validators, an institution, a demo asset
and three funded accounts. Ctrl-C stops it cleanly; running it again on the same folder continues. A second Ctrl-C does not wait.

Each validator is a process of its own. One that dies is started again after a second, and standard error says so; with four of
them the network goes on meanwhile. One that ends five times within a minute before it serves stops the network. In front of
several validators runs a gateway ("aurigraph gateway"), a process too: it keeps the index from which transfers are listed, and
passes all other calls on. It is started again like a validator; the network pays without it.

Every validator, and the gateway, also serves the REST dialect of Aurigraph V10 to clients on this machine, without asking who
they are: three accounts with V10 names are funded, and the network signs for them.

With --with-v10 a new network begins as V11 beside a running V10: a V10 reference ledger ("aurigraph v10 serve", in v10-ledger
of the folder) has the three accounts and owns all of them. Its accounts, balances and history are copied to V11 first, and then
the two are kept in step both ways over Kafka: a broker in this process, in kafka of the folder, or one named with --kafka. A
payment that reaches V11 goes to V10, its accounts' home. Such a network always runs with its V10. "aurigraph sync status" shows
both directions, "aurigraph verify-sync run" compares the two.

--named gives single V10 accounts a slot of their own, from 10000 on and in the order of the file, so that a plan's canary.named
can have them go first or stay back. It is fixed when the network is made: an account has its slot from when it is opened.

With --index transfers are listed from a PostgreSQL database instead of a file, from now on: it is filled from what the chain
retains. A password stands in the URL's passfile, never in the URL. A database that is away costs lists only, and those for as
long as it is.

When it is ready it prints the accounts, where their keys are, and a payment to try. A validator's log is node.log in its folder,
node0 and so on, the gateway's is gateway.log in gateway; with --json logs go to standard error, and standard output gets one
line of JSON when the network is ready.
While it runs, run.json of the folder names the processes. A validator that "aurigraph validators add" admits is started, one
that "aurigraph validators remove" removes is stopped and not started any more.

Exit codes: 0 it was told to stop; 1 a validator could not start; 2 the folder is in use, holds something else, or has another
number of validators.`,
		Example: `  aurigraph up
  aurigraph up --validators 1 --network /srv/trial --port 7450
  aurigraph up --network /tmp/net --json
  aurigraph up --with-v10
  aurigraph up --with-v10 --v10-store rocksdb --kafka 127.0.0.1:9092 --network /tmp/pair
  aurigraph up --index 'postgres://indexer@db.example/aurigraph?sslmode=verify-full&passfile=/etc/aurigraph/pgpass'`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkValidators(cmd, o.Nodes); err != nil {
				return err
			}
			if err := checkPort(cmd, o.Port); err != nil {
				return err
			}
			if err := checkV10(cmd, &o); err != nil {
				return err
			}
			if err := checkIndex(cmd, o.Index); err != nil {
				return err
			}
			return a.up(cmd.Context(), o)
		},
	}
	c.Flags().IntVar(&o.Nodes, "validators", 0, "validators of a new network: 1, 4 or 7 (default: 4, or as many as there are)")
	c.Flags().IntVar(&o.Port, "port", 0, "port of the first validator's API, 1 to 65534; the network's others are the next ones (default: free ones)")
	c.Flags().IntVar(&o.Nodes, "nodes", 0, "what --validators was called")
	_ = c.Flags().MarkHidden("nodes") // it is there
	o.addV10(c)
	c.Flags().StringVar(&o.Index, "index", "", "where transfers are listed from: sqlite, a file in the network's folder, or postgres://user@host/database?passfile=/path (default: as before, sqlite at first)")
	return networkFlag(a, c)
}

// addV10 adds the flags that are about a V10 beside the network.
func (o *upOptions) addV10(c *cobra.Command) {
	c.Flags().BoolVar(&o.withV10, "with-v10", false, "run a V10 reference ledger beside the network, copied to it and kept in step with it")
	c.Flags().StringVar(&o.v10Store, "v10-store", "", "what keeps that ledger: "+legacy.EnginePebble+" or "+legacy.EngineRocksDB+" (default: as before, "+legacy.EnginePebble+" at first)")
	c.Flags().StringVar(&o.kafka, "kafka", "", "brokers that carry the sync, host:port (default: as before, one in this process at first)")
	c.Flags().StringVar(&o.journal, "journal", "", "where the migration's journal is, for several controllers: postgres://user@host/database?passfile=/path (default: as before, a file at first)")
	c.Flags().StringVar(&o.router, "router", "", "what sends each account to its ledger: embedded, or nginx, which must be installed (default: as before, embedded at first)")
	c.Flags().StringVar(&o.door, "v11-door", "", "where the router reaches V11's REST, host:port, such as a balancer's (default: as before, the first validator at first)")
	c.Flags().StringVar(&o.named, "named", "", "of a new network: file of V10 accounts that may move before or behind all others, one name a line (canary.named of a plan)")
}

func checkIndex(cmd *cobra.Command, url string) error {
	if url == "" {
		return nil
	}
	if err := config.CheckIndexURL(url); err != nil {
		return usage(cmd, "--index must be %s or a database: %v", config.IndexSQLite, err)
	}
	return nil
}

func checkValidators(cmd *cobra.Command, n int) error {
	changed := cmd.Flags().Changed
	switch {
	case changed("nodes") && changed("validators"):
		return usage(cmd, "--nodes is what --validators was called: give one of them")
	case (changed("nodes") || changed("validators")) && !slices.Contains(validatorsOffered, n):
		return usage(cmd, "--validators %d, must be 1, 4 or 7", n)
	}
	return nil
}

func checkV10(cmd *cobra.Command, o *upOptions) error {
	for _, flag := range []string{"v10-store", "kafka", "router", "journal", "v11-door", "named"} {
		if cmd.Flags().Changed(flag) && !o.withV10 {
			return usage(cmd, "--%s is for the V10 of --with-v10: give both", flag)
		}
	}
	if !slices.Contains([]string{"", legacy.EnginePebble, legacy.EngineRocksDB}, o.v10Store) {
		return usage(cmd, "--v10-store %q, must be %s or %s", o.v10Store, legacy.EnginePebble, legacy.EngineRocksDB)
	}
	if _, _, err := net.SplitHostPort(o.kafka); o.kafka != "" && err != nil {
		return usage(cmd, "--kafka %q, must be host:port", o.kafka)
	}
	if !slices.Contains([]string{"", network.RouterEmbedded, network.RouterNginx}, o.router) {
		return usage(cmd, "--router %q, must be %s or %s", o.router, network.RouterEmbedded, network.RouterNginx)
	}
	if o.journal != "" {
		if err := config.CheckIndexURL(o.journal); err != nil || o.journal == config.IndexSQLite {
			return usage(cmd, "--journal must be a database: %v", err)
		}
	}
	if _, _, err := net.SplitHostPort(o.door); o.door != "" && err != nil {
		return usage(cmd, "--v11-door %q, must be host:port", o.door)
	}
	if o.withV10 {
		o.Sync = &network.SyncOptions{Store: o.v10Store, Kafka: o.kafka, Router: o.router, Journal: o.journal, Door: o.door, Moves: true}
	}
	if o.named != "" {
		var err error
		if o.Sync.Named, err = keys.ReadNames(o.named); err != nil {
			return usage(cmd, "--named: %v", err)
		}
	}
	return nil
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
	Gateway     *upEdge           `json:"gateway,omitempty"`
	Edge        string            `json:"edge,omitempty"` // URL of the router before V10 and V11, for clients of V10's dialect
	Accounts    []string          `json:"accounts"`
	Keys        map[string]string `json:"keys"`
	Institution upInstitution     `json:"institution"`
	Asset       string            `json:"asset"`
	REST        string            `json:"rest,omitempty"`         // the V10 dialect of a validator
	V10         string            `json:"v10,omitempty"`          // the reference ledger
	Sync        *upSync           `json:"sync,omitempty"`         // how the two are kept in step
	V10Accounts []string          `json:"v10_accounts,omitempty"` // funded, in the network's custody
}

type tlsJSON struct {
	CA string `json:"ca"`
}

type upNode struct {
	ID  string `json:"id"`
	PID int    `json:"pid"`
	Dir string `json:"dir"`
}

type upEdge struct {
	PID     int    `json:"pid"`
	Dir     string `json:"dir"`
	GRPC    string `json:"grpc"`
	Metrics string `json:"metrics"`
	REST    string `json:"rest,omitempty"` // the V10 dialect
}

type upSync struct {
	Kafka   string `json:"kafka"`   // host:port
	Changes string `json:"changes"` // URL of V10's change log
	Copied  uint64 `json:"copied"`  // sequence of V10 that the initial copy is of
}

type upInstitution struct {
	ID      string `json:"id"`
	KeyFile string `json:"key_file"`
}

func (a *app) up(ctx context.Context, o upOptions) error {
	dir, err := filepath.Abs(a.network)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "--network")
	}
	if err := a.notRunning(dir); err != nil {
		return err
	}
	n, err := network.Create(dir, o.Options)
	if err != nil {
		return err
	}
	bar := a.newBar()
	bar.spin("starting: a node executes again what its newest checkpoint does not have")
	defer bar.clear()
	s, err := newSupervisor(a, n, bar)
	if err != nil {
		return err
	}
	err = a.runNetwork(ctx, n, s)
	bar.clear()
	if ctx.Err() != nil && err == nil && !a.json {
		fmt.Fprintln(a.err, "stopped")
	}
	return err
}

// runNetwork runs a network, and what is to run beside it, until ctx ends or one of them does.
func (a *app) runNetwork(ctx context.Context, n *network.Network, s *supervisor) (err error) {
	var b *beside
	if n.Sync != nil {
		if b, err = a.startBeside(ctx, n, s); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.close(), s.file.Remove()) }() // what ends is noted: the file is there again
	}
	return s.run(ctx, func(ctx context.Context) error {
		if b != nil {
			if err := b.join(ctx, s.bar); err != nil {
				return err
			}
		}
		s.bar.clear()
		return a.announce(n, s.file.Nodes(), s.file.Edge())
	})
}

// notRunning refuses a network whose nodes run already: making it ready for a start would give it other ports.
func (a *app) notRunning(dir string) error {
	n, err := network.Open(dir)
	if err != nil {
		return nil // the network is made, or the error is found, by what follows
	}
	for _, node := range n.Nodes {
		if node.Left() {
			continue
		}
		cfg, err := config.Load(n.Path(node.Dir))
		if err != nil {
			return err
		}
		if network.InUse(&cfg) {
			return fault.New(fault.Conflict, "the network in %s runs already, at %s: use it, or stop it first", dir, node.GRPC)
		}
	}
	return nil
}

// startNodes starts the nodes of a network that nobody supervises.
func (a *app) startNodes(ctx context.Context, n *network.Network) ([]*network.Process, error) {
	self, err := thisProgram()
	if err != nil {
		return nil, err
	}
	opened := make([]io.Writer, len(n.Nodes))
	all, err := n.StartAll(ctx, self, func(i int) (w io.Writer, err error) {
		opened[i], err = a.logsOf(n, i)
		return opened[i], err
	})
	for _, w := range opened {
		a.closeLog(w)
	}
	if err != nil && !a.json {
		err = fmt.Errorf("%w (%s)", err, n.Path(filepath.Join("node*", nodeLog)))
	}
	return all, err
}

func thisProgram() (string, error) {
	self, err := os.Executable()
	return self, fault.Wrap(fault.Internal, err, "find this program")
}

// nodeLog is the name of a node's log in its folder.
const nodeLog = "node.log"

// logsOf is where a node's log goes: standard error with --json, else a file, so that a person sees what matters.
func (a *app) logsOf(n *network.Network, i int) (io.Writer, error) {
	if a.json {
		return a.err, nil
	}
	f, err := os.OpenFile(logPath(n, i), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the node's log")
	}
	return f, nil
}

func logPath(n *network.Network, i int) string {
	return n.Path(filepath.Join(n.Nodes[i].Dir, nodeLog))
}

// closeLog closes a log that the child has inherited.
func (a *app) closeLog(logs io.Writer) {
	if f, ok := logs.(*os.File); ok && !a.json {
		_ = f.Close() // nothing was written here
	}
}

func (a *app) announce(n *network.Network, running []network.RunNode, edge *network.RunEdge) error {
	j := upJSON{
		Ready: true, Chain: n.Chain, GRPC: n.Endpoints(), TLS: tlsJSON{n.Path(n.CA)}, Accounts: n.Accounts, Keys: map[string]string{}, Asset: n.Asset,
		Institution: upInstitution{fmt.Sprint(n.Institution.ID), n.Path(n.Institution.KeyFile)},
	}
	for address, path := range n.Keys {
		j.Keys[address] = n.Path(path)
	}
	for i, node := range n.Nodes {
		if node.Left() {
			continue
		}
		j.Metrics = append(j.Metrics, metricsURL(node.Metrics))
		j.Nodes = append(j.Nodes, upNode{node.ID, running[i].PID, n.Path(node.Dir)})
	}
	if edge != nil {
		j.Gateway = &upEdge{edge.PID, n.Path(edge.Dir), edge.GRPC, metricsURL(n.Gateway.Metrics), n.Gateway.URL()}
	}
	if rest := n.REST(); n.V10 != nil && len(rest) > 0 {
		j.REST, j.V10Accounts = rest[0], n.V10.Accounts
	}
	if n.Sync != nil {
		if m := n.Sync.Move; m != nil {
			j.Edge = "http://" + m.Edge
		}
		if n.Sync.OffMs == 0 {
			j.V10, j.Sync = n.Sync.V10URL(), &upSync{n.Sync.Kafka, n.Sync.ChangesURL(), n.Sync.Copied}
		}
	}
	return a.print(j, func(row func(...any)) {
		row("network", n.Dir)
		row("chain", n.Chain)
		for i, node := range j.Nodes {
			row("validator", node.ID, "grpc "+n.Validators()[i], "metrics "+j.Metrics[i], fmt.Sprintf("pid %d", node.PID))
		}
		if e := j.Gateway; e != nil {
			row(append(edgeWords(e), fmt.Sprintf("pid %d", e.PID))...)
		}
		row("institution", n.Institution.ID, j.Institution.KeyFile)
		for _, address := range n.Accounts {
			row("account", address, j.Keys[address])
		}
		row("asset", n.Asset)
		if len(n.Accounts) > 1 {
			row("try", a.tryLine(n.Accounts[0], n.Accounts[1]))
		}
		if len(j.V10Accounts) > 1 {
			row("v10", "rest "+j.REST, "accounts "+strings.Join(j.V10Accounts, ", "))
			row("try", curlLine(j.REST, j.V10Accounts[0], j.V10Accounts[1]))
			if j.V10 != "" {
				row("v10 ledger", "rest "+j.V10, "kept in "+n.Path(n.Sync.Dir))
			}
			if j.Edge != "" {
				row("edge", "rest "+j.Edge, "sends each account to the ledger that owns it")
			}
			if j.Sync != nil {
				row("in step", "kafka "+j.Sync.Kafka, fmt.Sprintf("copied at %d", j.Sync.Copied))
			}
		}
		row("ready: Ctrl-C stops the network, the same command continues it")
	})
}

// edgeWords says where the gateway serves.
func edgeWords(e *upEdge) []any {
	words := []any{"gateway", "grpc " + e.GRPC, "metrics " + e.Metrics}
	if e.REST != "" {
		words = append(words, "rest "+e.REST)
	}
	return words
}

// tryLine is a payment to copy into another terminal.
func (a *app) tryLine(from, to string) string {
	words := []string{a.self, "pay", from, to, "12.5"}
	if a.network != networkDefault {
		words = append(words, "--network", a.network)
	}
	return shellLine(words...)
}

// curlLine is a payment of a V10 client to copy into another terminal.
func curlLine(url, from, to string) string {
	return shellLine("curl", url+"/api/v10/transactions", "-d", fmt.Sprintf(`{"from":%q,"to":%q,"amount":12.5}`, from, to))
}

func metricsURL(address string) string {
	if address == "" {
		return ""
	}
	return "http://" + address + "/metrics"
}
