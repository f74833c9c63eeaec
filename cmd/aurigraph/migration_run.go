// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/controller"
	"github.com/aurigraph/aurigraph/internal/obs"
)

func newMigrateRun(a *app) *cobra.Command {
	var metrics string
	c := networkFlag(a, &cobra.Command{
		Use:   "run",
		Short: "Drive the migration until Ctrl-C: the controller, which \"aurigraph up --with-v10\" runs by itself",
		Long: `Does what the plan says and operators ask for, as the journal in the network's folder has it: it moves slots, judges requests
by the router's log, goes back by itself where the judge, a rail or a comparison of both ledgers says so, and writes down what
it did. Without a plan it waits for one.

It can be killed at any time and started again: the journal and the ledger's home table say where it was. Of several one
drives, the others wait for its lease to end.

With --metrics it serves /metrics for a Prometheus there. deploy/prometheus has the alerts that belong to it.

Exit codes: 0 it was told to stop; 1 the network or the journal cannot be opened, or the address of --metrics is taken.`,
		Example: `  aurigraph migrate run
  aurigraph migrate run --network /srv/pair --json
  aurigraph migrate run --network /srv/pair --metrics 127.0.0.1:9310`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.migrateRun(cmd.Context(), metrics) },
	})
	c.Flags().StringVar(&metrics, "metrics", "", "address of its metrics, host:port (default: none)")
	return c
}

func (a *app) migrateRun(ctx context.Context, metrics string) (err error) {
	w, err := a.openWorld(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	j, err := openJournal(ctx, w.network)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	cfg := controller.Config{
		Journal: j, World: w, Watch: w.watch, Holder: fmt.Sprintf("pid %d on %s, begun at %d", os.Getpid(), host, time.Now().UnixNano()), Log: obs.NewLogger(a.err, slog.LevelInfo),
	}
	both, ctx := errgroup.WithContext(ctx)
	if metrics != "" {
		serve, err := showMigration(metrics, &cfg)
		if err != nil {
			return err
		}
		both.Go(func() error { return serve(ctx) })
	}
	both.Go(func() error { return controller.Run(ctx, cfg) })
	return both.Wait()
}

// showMigration gives a controller metrics, and returns what serves them.
func showMigration(address string, cfg *controller.Config) (serve func(context.Context) error, err error) {
	r := obs.NewRegistry()
	if cfg.Metrics, err = controller.NewMetrics(r); err != nil {
		return nil, err
	}
	return showMetrics(address, r)
}
