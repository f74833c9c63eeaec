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

	"github.com/aurigraph/aurigraph/internal/controller"
	"github.com/aurigraph/aurigraph/internal/journal/sqlite"
	"github.com/aurigraph/aurigraph/internal/obs"
)

func newMigrateRun(a *app) *cobra.Command {
	return networkFlag(a, &cobra.Command{
		Use:   "run",
		Short: "Drive the migration until Ctrl-C: the controller, which \"aurigraph up --with-v10\" runs by itself",
		Long: `Does what the plan says and operators ask for, as the journal in the network's folder has it: it moves slots, judges requests
by the router's log, goes back by itself where the judge, a rail or a comparison of both ledgers says so, and writes down what
it did. Without a plan it waits for one.

It can be killed at any time and started again: the journal and the ledger's home table say where it was. Of several one
drives, the others wait for its lease to end.

Exit codes: 0 it was told to stop; 1 the network or the journal cannot be opened.`,
		Example: `  aurigraph migrate run
  aurigraph migrate run --network /srv/pair --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.migrateRun(cmd.Context()) },
	})
}

func (a *app) migrateRun(ctx context.Context) (err error) {
	w, err := a.openWorld(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	j, err := sqlite.Open(ctx, w.network.Migration())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	return controller.Run(ctx, controller.Config{
		Journal: j, World: w, Holder: fmt.Sprintf("pid %d on %s, begun at %d", os.Getpid(), host, time.Now().UnixNano()), Log: obs.NewLogger(a.err, slog.LevelInfo),
	})
}
