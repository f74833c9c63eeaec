// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	"github.com/aurigraph/aurigraph/internal/network"
)

func newBenchFailover(a *app) *cobra.Command {
	cfg := loadgen.FailoverConfig{}
	c := &cobra.Command{
		Use:   "failover",
		Short: "Kill the leader again and again while payments go on",
		Long: `Starts a network of its own, pays through all of its nodes, and ends the leader's process with kill -9, over and over; each
dead node is started again after a second, and the next kill waits until all follow one leader. It reports how long it took until
a block of a later term was certified, and reads every acknowledged payment again from each node's disk.

Exit codes: 0 measured, and nothing was lost; 1 not; 2 the options will not do.`,
		Example: `  aurigraph bench failover
  aurigraph bench failover --kills 5 --nodes 7 --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Validate(); err != nil {
				return usage(cmd, "%v", err)
			}
			return a.benchFailover(cmd.Context(), cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Dir, "network", "", "new folder for the bench's network, kept at the end (default: one that is removed)")
	f.IntVar(&cfg.Nodes, "nodes", network.NodesDefault, "validators, 3 to 16")
	f.IntVar(&cfg.Kills, "kills", 20, "leaders to kill")
	f.IntVar(&cfg.Rate, "rate", 200, "payments a second to offer")
	return c
}

func (a *app) benchFailover(ctx context.Context, cfg loadgen.FailoverConfig) (err error) {
	remove, err := benchFolder(&cfg.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	bar := a.newBar()
	fleet, err := a.launchFleet(ctx, cfg, bar)
	if err != nil {
		return err
	}
	report, err := loadgen.RunFailover(ctx, cfg, fleet, stages{above{bar, a.err}})
	bar.clear()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was measured")
	}
	if err != nil {
		return err
	}
	if err := a.print(report, func(row func(...any)) { failoverTable(report, row) }); err != nil {
		return err
	}
	if why := report.Failed(); why != "" {
		return &reported{fault.New(fault.Corrupt, "the bench does not count: %s", why)}
	}
	return nil
}

// launchFleet starts the bench's own network under a supervisor, as `up` does.
func (a *app) launchFleet(ctx context.Context, cfg loadgen.FailoverConfig, bar *bar) (*loadgen.Fleet, error) {
	n, target, err := newBenchNetwork(cfg.Dir, network.Options{Name: "bench", Nodes: cfg.Nodes}, loadgen.AuthBatchMLDSA)
	if err != nil {
		return nil, err
	}
	s, err := newSupervisor(a, n, bar)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.run(running, func(context.Context) error {
			close(ready)
			return nil
		})
	}()
	for _, node := range n.Nodes {
		target.Endpoints = append(target.Endpoints, node.GRPC)
		target.Nodes = append(target.Nodes, loadgen.TargetNode{ID: node.ID, Dir: n.Path(node.Dir), Metrics: metricsURL(node.Metrics)})
	}
	target.Stop = func() error {
		stop()
		return <-ended
	}
	select {
	case <-ready:
	case err := <-ended:
		stop()
		return nil, err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), target.Stop())
	}
	if e := s.file.Edge(); e != nil {
		target.Edge = &loadgen.TargetEdge{PID: e.PID, GRPC: e.GRPC}
	}
	return &loadgen.Fleet{Target: *target, Kill: func(i int) error {
		pid := s.file.Nodes()[i].PID
		if pid == 0 {
			return fault.New(fault.Conflict, "node %s does not run", n.Nodes[i].ID)
		}
		return fault.Wrap(fault.Unavailable, syscall.Kill(pid, syscall.SIGKILL), "kill node %s", n.Nodes[i].ID)
	}}, nil
}

// benchFolder gives a bench without a folder one that remove takes away.
func benchFolder(dir *string) (remove func() error, err error) {
	remove = func() error { return nil }
	if *dir == "" {
		if *dir, err = os.MkdirTemp(".", ".aurigraph-bench-"); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "make a folder for the bench")
		}
		made := *dir
		remove = func() error { return os.RemoveAll(made) }
	}
	if *dir, err = filepath.Abs(*dir); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "--network")
	}
	return remove, nil
}

func failoverTable(r *loadgen.FailoverReport, row func(...any)) {
	row("next term", fmt.Sprintf("p50 %.0f ms", r.NextTermBlockMs.P50), fmt.Sprintf("max %.0f ms", r.NextTermBlockMs.Max), fmt.Sprintf("%d kills", r.Kills))
	row("silence", fmt.Sprintf("p50 %.0f ms", r.GapMs.P50), fmt.Sprintf("max %.0f ms", r.GapMs.Max))
	row("payments", fmt.Sprintf("%d acknowledged", r.Acks), fmt.Sprintf("%d lost", r.LostAcks))
	row("checked", "roots equal "+yesNo(r.RootsEqual), "money conserved "+yesNo(r.Conserved))
	row("machine", r.Machine)
	row("verified", r.Verified)
}
