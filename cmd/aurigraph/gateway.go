// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/gateway"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/obs"
)

func newGateway(a *app) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "gateway",
		Short: "Run the gateway in front of the validators until it is told to stop",
		Long: `Runs the gateway in a folder until SIGTERM or Ctrl-C: one address for clients, which passes their calls to a validator that is
well, and the query index, which it makes from the certified chain and believes no validator for. "aurigraph up" makes and runs
the gateway of a network of several validators by itself.

With rest.listen set it also serves the REST dialect of Aurigraph V10, as validators do: payments travel to the validators over
connections that stay open, and what comes while calls are under way shares the next one. It says itself who may call; it holds no
key of money. Validators that ask for API keys want one of the role gateway, whose file rest.validator_key_file names.

Settings are gateway.yaml of the folder. When that file changes, the validators it names are followed; all else takes a new start.
Logs are JSON lines on standard error. With --json it prints one line on standard output once it serves. When it is told to stop,
the V10 dialect says so for a second, unhealthy and closing each connection with its answer; then calls under way have five
seconds to end. The index is in data/index of the folder; removed while the gateway is stopped, it is made anew from what the
validators retain.

Exit codes: 0 it was told to stop; 1 it could not start or go on; 2 the settings will not do.`,
		Example: `  aurigraph gateway --dir /srv/aurigraph/gateway
  aurigraph gateway --dir /srv/aurigraph/gateway --json 2>>/var/log/gateway.log`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usage(cmd, "name the gateway's folder, in which %s lies, with --dir DIR", config.GatewayFileName)
			}
			return a.runGateway(cmd.Context(), dir)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "the gateway's folder, in which gateway.yaml lies (required)")
	return c
}

func (a *app) runGateway(ctx context.Context, dir string) (err error) {
	cfg, err := config.LoadGateway(dir)
	if err != nil {
		return err
	}
	level, err := obs.ParseLevel(cfg.LogLevel)
	if err != nil {
		return err
	}
	genesis, err := node.ReadGenesis(cfg.Path(cfg.Genesis))
	if err != nil {
		return err
	}
	cfg.Version = node.Version
	log := obs.NewLogger(a.err, level).With(obs.KeyNode, cfg.Name)
	debug.SetMemoryLimit(cfg.Memory.LimitBytes)
	debug.SetGCPercent(cfg.Memory.GCPercent)
	g, err := gateway.Open(cfg, genesis, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	announced := make(chan error, 1)
	go func() { announced <- a.announceGateway(ctx, g) }()
	return errors.Join(g.Run(ctx), <-announced)
}

// announceGateway says that the gateway serves, with --json.
func (a *app) announceGateway(ctx context.Context, g *gateway.Gateway) error {
	select {
	case <-g.Ready():
	case <-ctx.Done():
		return nil
	}
	if !a.json {
		return nil
	}
	text, err := json.Marshal(network.ReadyLine{Ready: true, GRPC: g.GRPCAddress(), Metrics: g.MetricsAddress(), REST: g.RestAddress(), PID: os.Getpid()})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the ready line")
	}
	_, err = fmt.Fprintln(a.out, string(text))
	return err
}
