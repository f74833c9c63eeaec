// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/copier"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	"github.com/aurigraph/aurigraph/internal/loadgen/syncload"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/generate"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// copyBenchConfig is what a bench of the initial copy is told.
type copyBenchConfig struct {
	Dir, Store, Index      string
	Nodes                  int
	Accounts, Transactions uint64
}

func (c *copyBenchConfig) check() error {
	if c.Nodes < 1 || c.Nodes > network.NodesMax || c.Accounts < 2 || c.Accounts > 100_000_000 || c.Transactions > 1_000_000_000 {
		return fault.New(fault.Invalid, "--nodes is 1 to %d, --accounts 2 to 100000000, --transactions at most 1000000000", network.NodesMax)
	}
	if c.Store != legacy.EnginePebble && c.Store != legacy.EngineRocksDB {
		return fault.New(fault.Invalid, "--v10-store %q, must be %s or %s", c.Store, legacy.EnginePebble, legacy.EngineRocksDB)
	}
	return nil
}

func newBenchCopy(a *app) *cobra.Command {
	cfg := copyBenchConfig{}
	c := &cobra.Command{
		Use:   "copy",
		Short: "Measure the initial copy of a V10 that has a history",
		Long: `Makes a network of its own, fills its V10, starts all of it, and copies: accounts with their balances, assets, transactions and
rounds, until the sums of each asset are proved equal. "rows_per_s" is all rows by the time from the beginning of the copy until
then: V10's checkpoint, the survey and the indexes of the history are in it.

Exit codes: 0 it was copied and is equal; 1 not; 2 the options will not do.`,
		Example: `  aurigraph bench copy
  aurigraph bench copy --accounts 10000 --transactions 100000 --json
  aurigraph bench copy --index 'postgres://indexer@127.0.0.1/bench?passfile=/etc/aurigraph/pgpass'`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.check(); err != nil {
				return usage(cmd, "%v", err)
			}
			if err := checkIndex(cmd, cfg.Index); err != nil {
				return err
			}
			return a.benchCopy(cmd.Context(), cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Dir, "network", "", "new folder for the bench's network, kept at the end (default: one that is removed)")
	f.IntVar(&cfg.Nodes, "nodes", network.NodesDefault, "validators")
	f.Uint64Var(&cfg.Accounts, "accounts", 1_000_000, "V10's accounts")
	f.Uint64Var(&cfg.Transactions, "transactions", 10_000_000, "V10's transactions")
	f.StringVar(&cfg.Store, "v10-store", legacy.EnginePebble, "what keeps V10: pebble, or rocksdb where the program was built with it")
	f.StringVar(&cfg.Index, "index", "", "where the history goes: sqlite, or a new database on the server of postgres://user@host/database?passfile=/path (default: sqlite)")
	return c
}

// copyBenchReport is what a bench of the initial copy saw.
type copyBenchReport struct {
	Rows     uint64  `json:"rows"`
	Seconds  float64 `json:"seconds"`
	RowsPerS float64 `json:"rows_per_s"`
	copier.Report
	Store string `json:"store"`
	Index string `json:"index"`
}

func (r *copyBenchReport) count(took time.Duration) {
	r.Rows = r.Report.Accounts + r.Report.Assets + r.Report.Balances + r.Report.Keys + r.Report.Transactions + r.Report.Rounds
	r.Seconds = took.Seconds()
	r.RowsPerS = float64(r.Rows) / r.Seconds
}

func (a *app) benchCopy(ctx context.Context, cfg copyBenchConfig) (err error) {
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
	r, err := a.measureCopy(ctx, cfg)
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was measured")
	}
	if err != nil {
		return err
	}
	return a.print(r, func(row func(...any)) {
		row("copied", fmt.Sprintf("%d rows", r.Rows), fmt.Sprintf("%.1f s", r.Seconds), fmt.Sprintf("%.0f rows/s", r.RowsPerS))
		row("of which", fmt.Sprintf("%d transactions", r.Transactions), fmt.Sprintf("%d accounts", r.Accounts), fmt.Sprintf("%d balances", r.Balances))
		row("checked", "sums equal "+yesNo(r.SumsEqual))
		row("kept in", "V10 "+r.Store, "history "+r.Index)
	})
}

func (a *app) measureCopy(ctx context.Context, cfg copyBenchConfig) (r *copyBenchReport, err error) {
	o, err := pairOptions(syncload.Config{Kafka: syncload.Embedded, Store: cfg.Store, Index: cfg.Index})
	if err != nil {
		return nil, err
	}
	o.Nodes = cfg.Nodes
	n, _, err := newBenchNetwork(cfg.Dir, o, loadgen.AuthBatchMLDSA)
	if err != nil {
		return nil, err
	}
	bar := a.newBar()
	defer bar.clear()
	if err := a.fillV10(ctx, n, generate.Config{Accounts: cfg.Accounts, Transactions: cfg.Transactions, Seed: 1}, bar); err != nil {
		return nil, err
	}
	p := &pair{app: a, network: n}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.start(ctx, bar); err != nil {
		return nil, err
	}
	r = &copyBenchReport{Report: p.beside.copied, Store: cfg.Store, Index: cmp.Or(cfg.Index, config.IndexSQLite)}
	r.count(p.beside.copyTook)
	return r, nil
}

// fillV10 gives a network's V10 a history before it serves.
func (a *app) fillV10(ctx context.Context, n *network.Network, cfg generate.Config, bar *bar) error {
	log := obs.NewLogger(above{bar, a.err}, slog.LevelWarn)
	dir := filepath.Join(n.Path(n.Sync.Dir), "data")
	return legacy.With(ctx, legacy.Config{Dir: dir, Engine: n.Sync.Store, Log: log}, func(ctx context.Context, l *ledger.Ledger) error {
		_, err := generate.Run(ctx, l, cfg, func(p generate.Progress) { bar.show("filling V10", int64(p.Done), int64(cfg.Total())) })
		return err
	})
}
