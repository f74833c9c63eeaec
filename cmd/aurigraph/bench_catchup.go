// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	"github.com/aurigraph/aurigraph/internal/network"
)

func newBenchCatchUp(a *app) *cobra.Command {
	cfg := loadgen.CatchUpConfig{}
	c := &cobra.Command{
		Use:   "catchup",
		Short: "Let a validator fall behind while payments go on, and measure how it comes back",
		Long: `Starts a network of its own, pays open-loop to all validators but one, and ends that one's process with kill -9. When the
others are --blocks ahead it is started again, and the time counts from there until it is beside them and its signature is in
their certificates again. A block is made as soon as a batch is on a quorum's disks, so --rate and --legs say how many blocks
there are: at most 195 a second with the defaults, of 512 transfers each.

From blocks: what it lacks is still held, and it executes all of it. From checkpoint: the validators of a second network keep so
little that payloads it lacks are gone, and it takes a peer's certified state. Which of the two it was is read from its disk.

Exit codes: 0 measured, nothing was lost, and it came back the way that was asked for; 1 not; 2 the options will not do.`,
		Example: `  aurigraph bench catchup
  aurigraph bench catchup --from blocks --blocks 1000 --legs 8192
  aurigraph bench catchup --rate 50000 --network /tmp/bench --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Validate(); err != nil {
				return usage(cmd, "%v", err)
			}
			return a.benchCatchUp(cmd.Context(), cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Dir, "network", "", "new folder for the bench's networks, kept at the end (default: one that is removed)")
	f.IntVar(&cfg.Nodes, "nodes", network.NodesDefault, "validators, 4 to 16")
	f.IntVar(&cfg.Blocks, "blocks", 10_000, "blocks to fall behind, 1 to 50000")
	f.IntVar(&cfg.Rate, "rate", 100_000, "transfers a second to offer")
	f.IntVar(&cfg.Legs, "legs", 512, "transfers in a batch, 1 to 8192")
	f.IntVar(&cfg.Accounts, "accounts", 1_000_000, "accounts that pay and are paid")
	f.StringVar(&cfg.From, "from", loadgen.FromBoth, "what it comes back by: blocks, checkpoint or both")
	f.DurationVar(&cfg.Baseline, "baseline", 10*time.Second, "time measured before the validator falls, 1s to 5m")
	return c
}

func (a *app) benchCatchUp(ctx context.Context, cfg loadgen.CatchUpConfig) (err error) {
	remove, err := benchFolder(&cfg.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	bar := a.newBar()
	launch := func(ctx context.Context, from string) (*loadgen.Revivable, error) {
		return a.launchRevivable(ctx, cfg, from)
	}
	report, err := loadgen.RunCatchUp(ctx, cfg, launch, &stagesAndShares{stages: stages{above{bar, a.err}}})
	bar.clear()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was measured")
	}
	if err != nil {
		return err
	}
	if err := a.print(report, func(row func(...any)) { catchUpTable(report, row) }); err != nil {
		return err
	}
	if why := report.Failed(); why != "" {
		return &reported{fault.New(fault.Corrupt, "the bench does not count: %s", why)}
	}
	return nil
}

// launchRevivable starts one of the bench's own networks, in a folder named after the way.
func (a *app) launchRevivable(ctx context.Context, cfg loadgen.CatchUpConfig, from string) (*loadgen.Revivable, error) {
	n, target, err := newBenchNetwork(filepath.Join(cfg.Dir, from), network.Options{Name: "bench", Nodes: cfg.Nodes}, loadgen.AuthBatchMLDSA)
	if err != nil {
		return nil, err
	}
	for _, node := range n.Nodes {
		settings, err := config.Load(n.Path(node.Dir))
		if err != nil {
			return nil, err
		}
		cfg.Tune(from, &settings)
		if err := config.Replace(settings.Dir, settings); err != nil {
			return nil, err
		}
	}
	processes, err := a.startNodes(ctx, n)
	target.Stop = func() error { return network.StopAll(processes) }
	if err != nil {
		return nil, errors.Join(err, target.Stop())
	}
	for _, p := range processes {
		target.Endpoints = append(target.Endpoints, p.Ready.GRPC)
		target.Nodes = append(target.Nodes, loadgen.TargetNode{ID: p.Node.ID, PID: p.PID(), Dir: n.Path(p.Node.Dir), Metrics: metricsURL(p.Ready.Metrics)})
	}
	return &loadgen.Revivable{
		Target: *target,
		Kill:   func(i int) error { return killed(processes, i) },
		Start: func(i int) (_ loadgen.Process, err error) {
			processes[i], err = a.launchNode(n, i)
			return processes[i], err
		},
	}, nil
}

// killed kills a process and takes it from the list of those that are to be stopped.
func killed(processes []*network.Process, i int) error {
	p := processes[i]
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		return fault.Wrap(fault.Unavailable, err, "kill node %s", p.Node.ID)
	}
	<-p.Ended()
	processes[i] = nil
	return nil
}

// launchNode starts one node of a network and does not wait for it.
func (a *app) launchNode(n *network.Network, i int) (*network.Process, error) {
	self, err := thisProgram()
	if err != nil {
		return nil, err
	}
	logs, err := a.logsOf(n, i)
	if err != nil {
		return nil, err
	}
	defer a.closeLog(logs)
	return n.Launch(i, self, logs)
}

// stagesAndShares is stages for a run that also says how far it is.
type stagesAndShares struct {
	stages
	shares bool // the bar shows a share, not a time
}

// Write writes p, and shows its last line as the stage.
func (s *stagesAndShares) Write(p []byte) (int, error) {
	s.shares = false
	return s.stages.Write(p)
}

// Show shows how far a stage is.
func (s *stagesAndShares) Show(stage string, done, total int64) {
	if !s.shares {
		s.bar.clear()
		s.shares = true
	}
	s.bar.show(stage, done, total)
}

func catchUpTable(r *loadgen.CatchUpReport, row func(...any)) {
	row("load", fmt.Sprintf("%d/s in batches of %d", r.Rate, r.Legs), fmt.Sprintf("%d nodes, %d accounts", r.Nodes, r.Accounts))
	for _, from := range []string{loadgen.FromBlocks, loadgen.FromCheckpoint} {
		f := r.From[from]
		if f == nil {
			continue
		}
		row("from "+from, fmt.Sprintf("%d blocks behind", f.BehindBlocks), fmt.Sprintf("back after %.1f s", f.CatchUpS), fmt.Sprintf("%.1f times real time", f.TimesRealTime))
		row("  fell", fmt.Sprintf("%s, dead for %.1f s", f.FallenNode, f.DownS), fmt.Sprintf("%.0f blocks/s meanwhile", f.BlocksPerS), "a state taken "+yesNo(f.StateTaken))
		row("  finality p99", fmt.Sprintf("before %.1f ms", f.FinalityMs.Before.P99), fmt.Sprintf("dead %.1f ms", f.FinalityMs.Down.P99), fmt.Sprintf("meanwhile %.1f ms", f.FinalityMs.During.P99), fmt.Sprintf("%.2f times", f.P99Ratio))
		row("  committed", fmt.Sprintf("%.0f/s meanwhile", f.Kept), fmt.Sprintf("%d batches acknowledged", f.Acks), fmt.Sprintf("%d lost", f.LostAcks))
		row("  memory", fmt.Sprintf("%.0f MB at most", f.RSSMBMax), fmt.Sprintf("%.0f MB who caught up", f.RSSMBCatchingUp))
		row("  checked", "roots equal "+yesNo(f.RootsEqual), "money conserved "+yesNo(f.Conserved))
	}
	row("machine", r.Machine)
	row("verified", r.Verified)
}
