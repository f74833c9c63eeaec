// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/syncload"
	"github.com/aurigraph/aurigraph/internal/migrate"
	"github.com/aurigraph/aurigraph/internal/network"
)

// weightsWay is how the weight goes: up in the steps of a canary, back to nothing, up to the whole, and down.
var weightsWay = []int{100, 500, 1000, 2500, 5000, 7500, 10_000, 5000, 1000, 0, 100, 1000, 2500, 5000, 10_000, 7500, 5000, 2500, 1000, 100}

func newBenchWeights(a *app) *cobra.Command {
	cfg := syncload.WeightsConfig{Weights: weightsWay, Every: time.Second, Accounts: 2000}
	var dir, kind string
	c := &cobra.Command{
		Use:   "weights",
		Short: "Change V11's share 20 times under a load that sends nothing twice, and count what is lost",
		Long: `Runs "aurigraph up --with-v10" with a network of its own, and the router of --router before both ledgers. A client with 256
connections that it keeps, and that never sends anything again, makes requests: payments and reads of balances, of accounts of
all slots. If the machine does not take the rate all are sent nevertheless, which takes longer: "per_s" says so. The weight
changes once a second, each time by moving the slots in the ledger: guard, V10, V11 and the sync are the real ones.

A request is lost if it was answered with anything but 2xx, or not at all, or if a payment that was answered as made is not on
both ledgers at rest. A payment is duplicated if a ledger executed it more than once. Both are read back with code of the
bench's own.

Exit codes: 0 nothing was lost or duplicated; 1 something was; 2 the options will not do.`,
		Example: `  aurigraph bench weights --router nginx
  aurigraph bench weights --router embedded --rate 1000 --json
  aurigraph bench weights --rate 2000 --payments 50`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Validate(); err != nil {
				return usage(cmd, "%v", err)
			}
			if kind != network.RouterNginx && kind != network.RouterEmbedded {
				return usage(cmd, "--router %q, must be %s or %s", kind, network.RouterNginx, network.RouterEmbedded)
			}
			return a.benchWeights(cmd.Context(), cfg, kind, dir)
		},
	}
	f := c.Flags()
	f.StringVar(&dir, "network", "", "new folder for the bench's network, kept at the end (default: one that is removed)")
	f.StringVar(&kind, "router", network.RouterNginx, "nginx, which must be installed, or embedded")
	f.IntVar(&cfg.Rate, "rate", 3000, "requests a second")
	f.IntVar(&cfg.Share, "payments", 10, "per cent of the requests that are payments")
	f.Uint64Var(&cfg.Seed, "seed", 1, "of who is paid, and what is asked")
	return c
}

func (a *app) benchWeights(ctx context.Context, cfg syncload.WeightsConfig, kind, dir string) (err error) {
	remove, err := benchFolder(&dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	bar := a.newBar()
	defer bar.clear()
	bar.spin("starting the pair")
	m, err := a.startMoving(ctx, dir, "--router", kind)
	if err != nil {
		return err
	}
	var r *syncload.WeightsReport
	target, stop, err := a.weightsTarget(ctx, m, kind)
	if err == nil {
		r, err = syncload.Weigh(ctx, cfg, target, &stagesAndShares{stages: stages{above{bar, a.err}}})
		err = errors.Join(err, stop())
	}
	bar.spin("stopping the pair")
	err = errors.Join(err, m.stop())
	bar.clear()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was measured")
	}
	if err != nil {
		return err
	}
	if err := a.print(r, func(row func(...any)) { weightsTable(r, row) }); err != nil {
		return err
	}
	if why := r.Failed(); why != "" {
		return &reported{fault.New(fault.Corrupt, "the bench does not count: %s", why)}
	}
	return nil
}

// weightsTarget says where the pair is, and how its weight is changed.
func (a *app) weightsTarget(ctx context.Context, m *moving, kind string) (t *syncload.WeightsTarget, stop func() error, err error) {
	n, err := network.Open(m.dir)
	if err != nil {
		return nil, nil, err
	}
	t = &syncload.WeightsTarget{Router: n.Sync.Move.Edge, Kind: kind}
	if t.Target, err = ledgersOf(n); err != nil {
		return nil, nil, err
	}
	mover, c, err := a.mover(ctx, n, nil)
	if err != nil {
		return nil, nil, err
	}
	t.Weigh = func(ctx context.Context, weight int) error { return weigh(ctx, mover, weight) }
	return t, c.Close, nil
}

func weigh(ctx context.Context, m *migrate.Mover, weight int) error {
	goals, err := handGoals(weight, nil)
	if err != nil {
		return err
	}
	for _, g := range goals {
		if _, err := m.Move(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

func weightsTable(r *syncload.WeightsReport, row func(...any)) {
	row("requests", r.Requests, fmt.Sprintf("%.0f a second", r.PerS), fmt.Sprintf("%d %% payments", r.Share), "through "+r.Router)
	row("changes", r.Changes, fmt.Sprintf("p50 %.0f ms", r.ChangeMs.P50), fmt.Sprintf("max %.0f ms", r.ChangeMs.Max))
	row("lost", r.Lost, fmt.Sprintf("%d times 503", r.Visible503), fmt.Sprintf("by status %v", r.Statuses))
	row("payments", r.Payments, fmt.Sprintf("%d duplicated", r.Duplicated), fmt.Sprintf("%d missing", r.Missing), fmt.Sprintf("V10 made %d, V11 %d", r.ServedBy["v10"], r.ServedBy["v11"]))
	row("latency", fmt.Sprintf("p50 %.1f ms", r.LatencyMs.P50), fmt.Sprintf("p99 %.0f ms", r.LatencyMs.P99), fmt.Sprintf("max %.0f ms", r.LatencyMs.Max))
	for _, e := range r.Examples {
		row("see", e)
	}
}
