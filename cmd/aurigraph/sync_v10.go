// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/server/admin"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/v10sync"
)

// syncV10Flags are what V10's half of a sync is told.
type syncV10Flags struct {
	bus              busFlags
	cfg              v10sync.Config
	genesis, aliases string // files
	from             string
	admin            string // socket; empty: none
	metrics          string // host:port; empty: none
}

func newSyncV10(a *app) *cobra.Command {
	var f syncV10Flags
	c := &cobra.Command{
		Use:   "v10",
		Short: "Run V10's half of a sync: its changes to V11, and V11's to it",
		Long: `Runs beside a V10 until SIGTERM or Ctrl-C. It reads V10's changes where V10 serves its change log ("aurigraph v10 serve
--changes"), puts them onto the topics that "aurigraph sync init" made, and brings V11's changes from there to V10, which was
started with the same --sync-key. V11's half runs in its validators: docs/sync-v11.md has their settings. With --admin it makes a
socket that only its owner may use, over which "aurigraph sync status", "retry", "set" and the others reach it. With --metrics it
serves /metrics for a Prometheus there.

Each direction goes on from where V10 and the topics say that it stands, so this may be stopped, killed and started anywhere, and
run more than once. What stops a direction is logged with its reason, as JSON lines on standard error, and tried again every
second. docs/sync-transport.md lists the reasons.

The first time, V10 begins to take V11's changes at --from, and V11 is told of V10's from --start on: both are where the copy
stands that the two ledgers began with, 0 if they began together.

Exit codes: 0 it was told to stop; 1 the socket or the address of --metrics is taken; 2 the options or the files will not do.`,
		Example: `  aurigraph sync v10 --brokers 127.0.0.1:9092 --port http://127.0.0.1:4005 --ledger production-v10 \
    --sync-key sync.key --alias-key alias.key --genesis genesis.json
  aurigraph sync v10 --brokers kafka1:9093 --tls --port http://v10:4005 --ledger production-v10 --start 918220114 --from 4100.2 \
    --sync-key sync.key --alias-key alias.key --genesis genesis.json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.bus.check(cmd); err != nil {
				return err
			}
			if f.cfg.Port == "" || f.cfg.Ledger == "" || f.genesis == "" || f.aliases == "" || len(f.bus.cfg.KeyFiles) == 0 {
				return usage(cmd, "name --port, --ledger, --sync-key, --alias-key and --genesis")
			}
			if err := f.read(); err != nil {
				return usage(cmd, "%v", err)
			}
			return a.syncV10(cmd.Context(), &f)
		},
	}
	f.bus.add(c)
	s := c.Flags()
	s.StringVar(&f.cfg.Port, "port", "", "URL at which V10 serves its change log (required)")
	s.StringVar(&f.cfg.Ledger, "ledger", "", "V10's name of itself, the same at V11's side, for ever (required)")
	s.StringArrayVar(&f.bus.cfg.KeyFiles, "sync-key", nil, "file of a sync key, mode 0600: the first seals, all open; may be repeated (required)")
	s.StringVar(&f.aliases, "alias-key", "", "file of the V11 network's alias key (required)")
	s.StringVar(&f.genesis, "genesis", "", "V11's genesis file, by whose hash its records are known (required)")
	s.StringVar(&f.from, "from", "0.0", "position in V11's order from which V10 takes its changes, MAJOR.MINOR")
	s.StringVar(&f.admin, "admin", "", "socket to make for who operates it: \"aurigraph sync status\" and the others ask there (default: none)")
	s.StringVar(&f.metrics, "metrics", "", "address of its metrics, host:port (default: none)")
	s.Uint64Var(&f.cfg.Start, "start", 0, "sequence in V10's log from which V11 is told of its changes")
	return c
}

// read reads the files.
func (f *syncV10Flags) read() (err error) {
	if f.cfg.From, err = parsePosition("from", f.from); err != nil {
		return err
	}
	genesis, err := node.ReadGenesis(f.genesis)
	if err != nil {
		return err
	}
	alias, err := keys.ReadAliasKey(f.aliases)
	if err != nil {
		return err
	}
	if _, err := f.bus.cfg.Keys(); err != nil {
		return err
	}
	f.cfg.Bus, f.cfg.Other, f.cfg.Keys = f.bus.cfg, envelope.LedgerID(codec.GenesisHash(genesis)), custody.SharedKeys{Alias: alias}
	return nil
}

func (a *app) syncV10(ctx context.Context, f *syncV10Flags) error {
	cfg := f.cfg
	level, err := obs.ParseLevel("info")
	if err != nil {
		return err
	}
	cfg.Log = obs.NewLogger(a.err, level).With(obs.KeyNode, cfg.Ledger)
	shown := obs.NewRegistry()
	cfg.Metrics = shown
	h, err := v10sync.New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	both, ctx := errgroup.WithContext(ctx)
	if f.metrics != "" {
		serve, err := showMetrics(f.metrics, shown)
		if err != nil {
			return err
		}
		both.Go(func() error { return serve(ctx) })
	}
	if f.admin != "" {
		l, err := admin.ListenAt(f.admin)
		if err != nil {
			return err
		}
		both.Go(func() error { return admin.Serve(ctx, l, admin.Doors{Sync: h}, cfg.Log) })
	}
	debug.SetGCPercent(besideGCPercent)
	both.Go(func() error { return h.Run(ctx) })
	return both.Wait()
}
