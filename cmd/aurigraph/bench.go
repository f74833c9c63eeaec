// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	"github.com/aurigraph/aurigraph/internal/network"
)

func newBench(a *app) *cobra.Command {
	c := group("bench", "Measure a network of its own", newBenchTransfers(a), newBenchFailover(a), newBenchCatchUp(a), newBenchOrder(a), newBenchOrderNode(a), newBenchGateway(a), newBenchSubscribers(a), newBenchSync(a), newBenchCopy(a), newBenchSwitch(a), newBenchWeights(a), newBenchVerifier(a), newBenchPlanter(a))
	c.Long = `Measures this machine: makes a network of its own, loads it through its public API, and reports what was certified and durable.`
	c.Example = `  aurigraph bench transfers
  aurigraph bench transfers --rate 100000 --duration 5s --json`
	return c
}

func newBenchTransfers(a *app) *cobra.Command {
	cfg := loadgen.Config{}
	c := &cobra.Command{
		Use:   "transfers",
		Short: "Measure certified, durable transfers a second and their finality",
		Long: `Starts a network of its own with the default settings, opens accounts, and pays between them through the public API over TLS,
open-loop. It searches for the highest rate whose finality p99 stays below 100 ms, then measures it. A
measurement that misses that latency is repeated 7 % lower, at most five times, and the last one is reported; all are in "steps".
With several validators the gateway keeps the index, and what it indexes a second is the most that it can do once it falls behind.
With --network DIR the stopped nodes stay there, for "aurigraph verify"; else they are removed. Opening a million accounts takes
some seconds, the search about a minute. A given --rate is held for a moment before it is measured.

Exit codes: 0 measured, and roots, money and receipts are right; 1 not; 2 the options will not do.`,
		Example: `  aurigraph bench transfers
  aurigraph bench transfers --auth single-ed25519 --duration 10s
  aurigraph bench transfers --rate 1000000 --network /tmp/bench --json
  aurigraph bench transfers --nodes 4 --rate 100000 --index 'postgres://indexer@127.0.0.1/bench?passfile=/etc/aurigraph/pgpass'`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Engine == "" {
				cfg.Engine = config.DefaultEngine(cfg.Nodes)
			}
			if err := cfg.Validate(); err != nil {
				return usage(cmd, "%v", err)
			}
			if err := checkIndex(cmd, cfg.Index); err != nil {
				return err
			}
			return a.bench(cmd.Context(), cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Dir, "network", "", "new folder for the bench's network, kept at the end (default: one that is removed)")
	f.IntVar(&cfg.Nodes, "nodes", 1, "validators, 1 to 16")
	f.StringVar(&cfg.Engine, "engine", "", "ordering engine: solo or raft (default: solo for one validator, else raft)")
	f.IntVar(&cfg.Accounts, "accounts", 1_000_000, "accounts that pay and are paid")
	f.IntVar(&cfg.Assets, "assets", 1, "assets they hold")
	f.StringVar(&cfg.Auth, "auth", loadgen.AuthBatchMLDSA, "who signs: batch-mldsa65, batch-ed25519 (the institution, whole batches) or single-ed25519 (each payer)")
	f.StringVar(&cfg.Load, "load", loadgen.LoadUniform, "which accounts are busy: uniform, zipf or hot")
	f.IntVar(&cfg.Rate, "rate", 0, "transfers a second to offer (default: search for the highest)")
	f.StringVar(&cfg.Index, "index", "", "where transfers are listed from: sqlite, or a new database on the server of postgres://user@host/database?passfile=/path (default: sqlite)")
	f.DurationVar(&cfg.Duration, "duration", 20*time.Second, "of the measurement, 1s to 24h")
	return c
}

func (a *app) bench(ctx context.Context, cfg loadgen.Config) (err error) {
	forget, err := benchDatabase(ctx, cfg.Dir, &cfg.Index)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, forget()) }()
	remove, err := benchFolder(&cfg.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	bar := a.newBar()
	report, err := loadgen.Run(ctx, cfg, a.launchBench, stages{above{bar, a.err}})
	bar.clear()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was measured")
	}
	if err != nil {
		return err
	}
	if err := a.print(report, func(row func(...any)) { benchTable(report, row) }); err != nil {
		return err
	}
	if why := report.Failed(); why != "" {
		return &reported{fault.New(fault.Corrupt, "the bench does not count: %s", why)}
	}
	return nil
}

// newBenchNetwork makes the bench's own network, and the target without what runs.
func newBenchNetwork(dir string, o network.Options, auth string) (*network.Network, *loadgen.Target, error) {
	if _, err := os.Stat(filepath.Join(dir, network.FileName)); err == nil {
		return nil, nil, fault.New(fault.Conflict, "%s holds a network already: the bench makes its own, name a new folder", dir)
	}
	n, err := network.Create(dir, o)
	if err != nil {
		return nil, nil, err
	}
	t := &loadgen.Target{Institution: chain.InstitutionNo(n.Institution.ID), CAFile: n.Path(n.CA)}
	if t.Trust, err = n.Trust(); err != nil {
		return nil, nil, err
	}
	keyFile := n.Institution.KeyFile
	if auth == loadgen.AuthBatchEd25519 {
		keyFile = n.Institution.Ed25519KeyFile
	}
	t.Signer, err = client.ReadKeyFile(n.Path(keyFile), nil)
	return n, t, err
}

// launchBench starts the bench's own network.
func (a *app) launchBench(ctx context.Context, cfg loadgen.Config) (*loadgen.Target, error) {
	n, t, err := newBenchNetwork(cfg.Dir, network.Options{Name: "bench", Nodes: cfg.Nodes, Engine: cfg.Engine, Index: cfg.Index}, cfg.Auth)
	if err != nil {
		return nil, err
	}
	processes, err := a.startNodes(ctx, n)
	t.Stop = func() error { return network.StopAll(processes) }
	if err == nil {
		err = a.addEdge(ctx, n, t)
	}
	if err != nil {
		return nil, errors.Join(err, t.Stop())
	}
	for _, p := range processes {
		t.Endpoints = append(t.Endpoints, p.Ready.GRPC)
		t.Nodes = append(t.Nodes, loadgen.TargetNode{ID: p.Node.ID, PID: p.PID(), Dir: n.Path(p.Node.Dir), Metrics: metricsURL(p.Ready.Metrics)})
	}
	return t, nil
}

// addEdge starts the gateway of a bench's network, if it has one. The load goes to the validators themselves.
func (a *app) addEdge(ctx context.Context, n *network.Network, t *loadgen.Target) error {
	if n.Gateway == nil {
		return nil
	}
	p, err := a.startGateway(ctx, n)
	if err != nil {
		return err
	}
	stopNodes := t.Stop
	t.Stop = func() error { return errors.Join(p.Stop(), stopNodes()) }
	t.Edge = &loadgen.TargetEdge{PID: p.PID(), GRPC: p.Ready.GRPC}
	return nil
}

func benchTable(r *loadgen.Report, row func(...any)) {
	for _, s := range r.Steps {
		row("step", fmt.Sprintf("offered %.0f/s", s.OfferedPerS), fmt.Sprintf("committed %.0f/s", s.CommittedPerS), fmt.Sprintf("p99 %.1f ms", s.FinalityMs.P99), "kept "+yesNo(s.Kept))
	}
	row("committed", fmt.Sprintf("%.0f transfers/s", r.CommittedPerS), fmt.Sprintf("%d in all", r.Committed))
	row("peak", fmt.Sprintf("%.0f transfers/s", r.PeakPerS))
	row("finality", fmt.Sprintf("p50 %.1f ms", r.FinalityMs.P50), fmt.Sprintf("p99 %.1f ms", r.FinalityMs.P99), fmt.Sprintf("p99.9 %.1f ms", r.FinalityMs.P999))
	for _, stage := range []struct {
		name string
		ms   *loadgen.Percentiles
	}{{"vote", r.VoteMs}, {"certificate", r.CertificateMs}, {"checkpoint", r.CheckpointMs}} {
		if stage.ms != nil {
			row(stage.name, fmt.Sprintf("p50 %.1f ms", stage.ms.P50), fmt.Sprintf("p99 %.1f ms", stage.ms.P99))
		}
	}
	row("CPU", fmt.Sprintf("%.3f us a transfer in each node", r.CPUUsPerTransferPerNode), fmt.Sprintf("%.3f us in the load generator", r.LoadCPUUsPerTransfer))
	row("memory", fmt.Sprintf("%.0f MB at most", r.RSSMBMax))
	row("disk", fmt.Sprintf("%.0f bytes a transfer", r.DiskBytesPerTransfer))
	row("index", fmt.Sprintf("%.0f rows/s", r.IndexPerS), fmt.Sprintf("%d rows behind", r.IndexLagRows), fmt.Sprintf("%.2f s of CPU in the edge", r.EdgeCPUS))
	row("checked", fmt.Sprintf("%d legs proved by slices", r.ReceiptsChecked), "roots equal "+yesNo(r.RootsEqual), "money conserved "+yesNo(r.Conserved))
	var refusals []string
	for reason, n := range r.Refusals {
		refusals = append(refusals, fmt.Sprintf("%s %d", reason, n))
	}
	row("refused", strings.Join(refusals, ", "))
	row("machine", r.Machine)
	row("verified", r.Verified)
}
