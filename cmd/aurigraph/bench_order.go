// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/orderbench"
)

// orderNode is the hidden command that the bench starts its nodes with.
const orderNode = "order-node"

func newBenchOrder(a *app) *cobra.Command {
	cfg := orderbench.Config{}
	c := &cobra.Command{
		Use:   "order",
		Short: "Measure the ordering engine alone: rounds a second, and how long one takes",
		Long: `Starts nodes that only order, each a process with its own log, connected by TLS over TCP, and offers digests to the leader.
A round is one decided proposal of one digest (solo puts all that waits into one). Its time is from the offer until the leader
hands it out as decided: durable on a quorum, unless with --fsync=false. Without --rate as many rounds are under way as the
window takes; with it digests are offered when they are due, and times run from then.

The engine pauses for a nanosecond between proposals, the least it takes; a node of a network keeps order.interval_min, and
puts up to 60 digests into a proposal. CPU time and syncs are those of one node, the mean of all; the leader's include making
the load. At the end all nodes must have decided the same.

Exit codes: 0 measured, and all decided the same; 1 not; 2 the options will not do.`,
		Example: `  aurigraph bench order
  aurigraph bench order --window 1 --fsync=false --duration 5s
  aurigraph bench order --rate 1000 --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Validate(); err != nil {
				return usage(cmd, "%v", err)
			}
			return a.benchOrder(cmd.Context(), cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Engine, "engine", orderbench.EngineRaft, "ordering engine: raft, or solo for one node")
	f.IntVar(&cfg.Nodes, "nodes", 4, "nodes that order, 1 to 16")
	f.IntVar(&cfg.Window, "window", 16, "proposals on their way at once, 1 to 1024")
	f.BoolVar(&cfg.Fsync, "fsync", true, "flush before a node says that it has a proposal; false shows what the disk costs")
	f.IntVar(&cfg.Rate, "rate", 0, "digests a second to offer (default: as many as the window takes)")
	f.DurationVar(&cfg.Duration, "duration", 10*time.Second, "of the measurement, 1s to 1h")
	f.StringVar(&cfg.Dir, "dir", ".", "folder on the disk to measure; the logs lie in a new folder there, which is removed")
	f.StringVar(&cfg.Profiles, "profiles", "", "folder to write a CPU profile of each node into (default: none)")
	return c
}

// newBenchOrderNode is a node of `bench order`. It is led over standard input and output.
func newBenchOrderNode(a *app) *cobra.Command {
	return &cobra.Command{
		Use: orderNode, Hidden: true, Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			useThreads(0)
			memory := config.Default().Memory
			debug.SetMemoryLimit(memory.LimitBytes)
			debug.SetGCPercent(memory.GCPercent)
			return orderbench.Member(cmd.Context(), cmd.InOrStdin(), a.out)
		},
	}
}

func (a *app) benchOrder(ctx context.Context, cfg orderbench.Config) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fault.Wrap(fault.Internal, err, "find this program")
	}
	if cfg.Dir, err = os.MkdirTemp(cfg.Dir, ".aurigraph-bench-"); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make a folder for the bench")
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cfg.Dir)) }()
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return fault.Wrap(fault.Internal, err, "find the bench's folder")
	}
	bar := a.newBar()
	report, err := orderbench.Run(ctx, cfg, func() *exec.Cmd { return exec.Command(self, "bench", orderNode) }, stages{above{bar, a.err}})
	bar.clear()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was measured")
	}
	if err != nil {
		return err
	}
	if err := a.print(report, func(row func(...any)) { orderTable(report, row) }); err != nil {
		return err
	}
	if why := report.Failed(); why != "" {
		return &reported{fault.New(fault.Corrupt, "the bench does not count: %s", why)}
	}
	return nil
}

func orderTable(r *orderbench.Report, row func(...any)) {
	row("rounds", fmt.Sprintf("%.0f/s", r.RoundsPerS), fmt.Sprintf("%d in %.1f s", r.Rounds, r.DurationS), fmt.Sprintf("%.2f digests each", r.DigestsPerRound))
	row("decided", fmt.Sprintf("p50 %.2f ms", r.DecidedMs.P50), fmt.Sprintf("p99 %.2f ms", r.DecidedMs.P99), fmt.Sprintf("p99.9 %.2f ms", r.DecidedMs.P999))
	row("CPU", fmt.Sprintf("%.1f us a round in each node", r.CPUUsPerRoundPerNode), fmt.Sprintf("%.1f in the leader", r.LeaderCPUUsPerRound))
	row("syncs", fmt.Sprintf("%.3f a round in each node", r.SyncsPerRound), fmt.Sprintf("%.3f in the leader", r.LeaderSyncsPerRound))
	row("term changes", r.TermChanges)
	row("agreed", yesNo(r.Agreed))
}
