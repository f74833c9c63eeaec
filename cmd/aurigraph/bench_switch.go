// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/syncload"
)

func newBenchSwitch(a *app) *cobra.Command {
	cfg := syncload.SwitchConfig{Slots: chain.SlotRange{From: 0, To: 99}}
	var dir string
	c := &cobra.Command{
		Use:   "switch",
		Short: "Move 100 slots to V11 and back under payments, with kills, and count what is paid twice or missing",
		Long: `Runs "aurigraph up --with-v10" with a network of its own. Clients whose accounts are in the slots that move pay at the edge, one
payment after the other, each under a key; what is not answered for good they send again. Slots go to V11 and back by "aurigraph
migrate move", each time as a process. During half of the moves a process is killed by SIGKILL: guard, V10, its half of the
sync, the gateway, a validator, or the process that moves; then all that is needed is tried again.

At rest V10's log and V11's chain are read back: each payment has an amount of its own, so that one made twice, on either ledger
or on both, is seen ("double_debits"), as is one that was answered and is not on both ("missing"). "lost" were never answered as
made. "hold_ms" is what a client saw: its slowest payment during each move in which nothing was killed. Last, the verifier
compares.

Exit codes: 0 nothing was paid twice, missing, lost or different; 1 something was; 2 the options will not do.`,
		Example: `  aurigraph bench switch
  aurigraph bench switch --cycles 50 --json
  aurigraph bench switch --cycles 10 --no-kills --payers 100`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Validate(); err != nil {
				return usage(cmd, "%v", err)
			}
			return a.benchSwitch(cmd.Context(), cfg, dir)
		},
	}
	noKills := false
	f := c.Flags()
	f.StringVar(&dir, "network", "", "new folder for the bench's network, kept at the end (default: one that is removed)")
	f.IntVar(&cfg.Cycles, "cycles", 10, "moves there and back")
	f.IntVar(&cfg.Payers, "payers", 32, "clients whose slots move")
	f.BoolVar(&noKills, "no-kills", false, "kill nothing")
	f.Uint64Var(&cfg.Seed, "seed", 1, "of what is killed when")
	c.PreRun = func(*cobra.Command, []string) { cfg.Kills = !noKills }
	return c
}

func (a *app) benchSwitch(ctx context.Context, cfg syncload.SwitchConfig, dir string) (err error) {
	remove, err := benchFolder(&dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	bar := a.newBar()
	defer bar.clear()
	bar.spin("starting the pair")
	t, err := a.startMoving(ctx, dir)
	if err != nil {
		return err
	}
	target, err := t.target()
	var r *syncload.SwitchReport
	if err == nil {
		r, err = syncload.Switch(ctx, cfg, target, &stagesAndShares{stages: stages{above{bar, a.err}}})
	}
	bar.spin("stopping the pair")
	err = errors.Join(err, t.stop())
	bar.clear()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was measured")
	}
	if err != nil {
		return err
	}
	if err := a.print(r, func(row func(...any)) { switchTable(r, row) }); err != nil {
		return err
	}
	if why := r.Failed(); why != "" {
		return &reported{fault.New(fault.Corrupt, "the bench does not count: %s", why)}
	}
	return nil
}

func switchTable(r *syncload.SwitchReport, row func(...any)) {
	hold := func(name string, h syncload.HoldMs) {
		row(name, fmt.Sprintf("p50 %.0f ms", h.P50), fmt.Sprintf("p99 %.0f ms", h.P99), fmt.Sprintf("max %.0f ms", h.Max), fmt.Sprintf("%d seen", h.Samples))
	}
	row("moved", fmt.Sprintf("%d slots %d times there and back", r.Slots, r.Cycles), fmt.Sprintf("%d begun anew", r.MovesAgain))
	hold("a client waits", r.HoldMs)
	hold("when killed", r.HoldKilledMs)
	hold("a move takes", r.MoveMs)
	row("payments", fmt.Sprintf("%d answered", r.Acknowledged), fmt.Sprintf("%d repeated", r.Repeats), fmt.Sprintf("V10 made %d, V11 %d", r.ServedBy["v10"], r.ServedBy["v11"]))
	row("checked", fmt.Sprintf("%d twice", r.DoubleDebits), fmt.Sprintf("%d missing", r.Missing), fmt.Sprintf("%d lost", r.Lost), fmt.Sprintf("%d differences", r.Differences))
	row("killed", fmt.Sprintf("%d: %v", r.Kills, r.KillsBy))
	for _, e := range r.Examples {
		row("see", e)
	}
}
