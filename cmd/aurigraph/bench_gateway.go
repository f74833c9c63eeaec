// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	"github.com/aurigraph/aurigraph/internal/loadgen/subscribers"
	"github.com/aurigraph/aurigraph/internal/network"
)

// benchSubscribers is the hidden command of the process that holds the WebSockets.
const benchSubscribers = "gateway-subscribers"

func newBenchGateway(a *app) *cobra.Command {
	cfg := loadgen.DefaultGatewayConfig()
	c := &cobra.Command{
		Use:   "gateway",
		Short: "Measure how clients of V10 are served: over REST beside gRPC, in batches, while gateways restart, and by WebSocket",
		Long: `Starts a network of its own whose validators serve the V10 dialect, and measures four things one after the other, open-loop:

WebSockets (10 % of the time): --subscribers of them follow block heads at one validator; three more never read.
Pairs (40 %): single payments at --rate, in slices that alternate between gRPC at a validator, REST at the same one and REST at a
gateway, in an order drawn from --seed, each of a pair with the same arrivals. A ratio is a median of pairs, with the interval in
which it lies with 95 % confidence. There are 20 pairs at least, so that a short run takes a little longer than --duration.
Batches (35 %): --batch-rate payments a second in bodies of --batch-payments, to all validators in turn, counted by the ledger.
Restart (15 %): --restart-rate payments a second through nginx, by a client that never sends again, while the two gateways behind
it are restarted in turn. It needs nginx (make deps); without it the bench does not count.

Latency runs from when a request was due. CPU is that of all validators, consensus included, and of the gateway for its own arm.

Exit codes: 0 measured, and nothing was lost; 1 not; 2 the options will not do.`,
		Example: `  aurigraph bench gateway
  aurigraph bench gateway --duration 30s --json
  aurigraph bench gateway --rate 1000 --batch-rate 150000 --network /tmp/bench`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Validate(); err != nil {
				return usage(cmd, "%v", err)
			}
			return a.benchGateway(cmd.Context(), cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Dir, "network", "", "new folder for the bench's network, kept at the end (default: one that is removed)")
	f.IntVar(&cfg.Nodes, "nodes", cfg.Nodes, "validators, 2 to 16")
	f.DurationVar(&cfg.Duration, "duration", cfg.Duration, "of all measurements together, 10s to 24h")
	f.IntVar(&cfg.Rate, "rate", cfg.Rate, "single payments a second of the pairs")
	f.IntVar(&cfg.BatchRate, "batch-rate", cfg.BatchRate, "payments a second to offer in batches")
	f.IntVar(&cfg.BatchPayments, "batch-payments", cfg.BatchPayments, "payments in a batch, 1 to 8192")
	f.IntVar(&cfg.RestartRate, "restart-rate", cfg.RestartRate, "single payments a second while gateways are restarted")
	f.IntVar(&cfg.Subscribers, "subscribers", cfg.Subscribers, "WebSockets that follow heads")
	f.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "of arrivals, payees and the order of slices")
	return c
}

// newBenchSubscribers is the process that holds the WebSockets of `bench gateway`. It is led over standard input and output.
func newBenchSubscribers(a *app) *cobra.Command {
	return &cobra.Command{
		Use: benchSubscribers, Hidden: true, Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return subscribers.Serve(cmd.Context(), cmd.InOrStdin(), a.out)
		},
	}
}

func (a *app) benchGateway(ctx context.Context, cfg loadgen.GatewayConfig) (err error) {
	remove, err := benchFolder(&cfg.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	bar := a.newBar()
	began := time.Now()
	report, err := loadgen.RunGateway(ctx, cfg, a.launchV10Bench, &stagesAndShares{stages: stages{above{bar, a.err}}})
	bar.clear()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted after %.0f s: nothing was measured", time.Since(began).Seconds())
	}
	if err != nil {
		return err
	}
	if err := a.print(report, func(row func(...any)) { gatewayTable(report, row) }); err != nil {
		return err
	}
	if why := report.Failed(); why != "" {
		return &reported{fault.New(fault.Corrupt, "the bench does not count: %s", why)}
	}
	return nil
}

// launchV10Bench starts the bench's own network, whose validators serve V10's clients.
func (a *app) launchV10Bench(ctx context.Context, cfg loadgen.GatewayConfig) (*loadgen.GatewayTarget, error) {
	self, err := thisProgram()
	if err != nil {
		return nil, err
	}
	n, target, err := newBenchNetwork(cfg.Dir, network.Options{Name: "bench", Nodes: cfg.Nodes, Demo: true, V10: true}, loadgen.AuthBatchMLDSA)
	if err != nil {
		return nil, err
	}
	processes, err := a.startNodes(ctx, n)
	target.Stop = func() error { return network.StopAll(processes) }
	if err != nil {
		return nil, errors.Join(err, target.Stop())
	}
	t := &loadgen.GatewayTarget{
		Funded: n.V10.Accounts, Supply: uint64(len(n.V10.Accounts)) * network.DemoBalance().Lo,
		Subscribers: func() *exec.Cmd {
			cmd := exec.Command(self, "bench", benchSubscribers)
			cmd.Stderr = a.err
			return cmd
		},
	}
	for _, p := range processes {
		target.Endpoints = append(target.Endpoints, p.Ready.GRPC)
		target.Nodes = append(target.Nodes, loadgen.TargetNode{ID: p.Node.ID, PID: p.PID(), Dir: n.Path(p.Node.Dir), Metrics: metricsURL(p.Ready.Metrics)})
		t.REST = append(t.REST, p.Ready.REST)
	}
	gateway, err := a.newRestGateway(ctx, n, n.Gateway)
	target.Stop = func() error { return errors.Join(gateway.stop(), network.StopAll(processes)) }
	if err != nil {
		return nil, errors.Join(err, target.Stop())
	}
	t.Target, t.Rest = *target, &loadgen.GatewayRest{PID: gateway.process.PID(), REST: gateway.process.Ready.REST}
	t.Rolling = func(ctx context.Context) (*loadgen.Rolling, error) { return a.rollBehindNginx(ctx, n, gateway) }
	return t, nil
}

func gatewayTable(r *loadgen.GatewayReport, row func(...any)) {
	for _, arm := range []struct {
		name string
		said *loadgen.ArmReport
	}{{"direct", r.Direct}, {"in node", r.InNode}, {"gateway", r.Gateway}} {
		if arm.said != nil {
			row(arm.name, fmt.Sprintf("p50 %.2f ms", arm.said.P50Us/1000), fmt.Sprintf("p99 %.2f ms", arm.said.P99Us/1000),
				fmt.Sprintf("%.0f us of CPU a request", arm.said.CPUUs), fmt.Sprintf("%.0f in who answers", arm.said.EdgeCPUUs), fmt.Sprintf("%d requests", arm.said.Requests))
		}
	}
	ratio := func(name string, p50, p99 *loadgen.Interval) {
		if p50 != nil && p99 != nil {
			row(name, fmt.Sprintf("p50 %.3f (%.3f to %.3f)", p50.Median, p50.Low, p50.High), fmt.Sprintf("p99 %.3f (%.3f to %.3f)", p99.Median, p99.Low, p99.High),
				fmt.Sprintf("%d pairs of %.2f s at %d/s", r.Pairs, r.SliceS, r.Rate))
		}
	}
	ratio("in node by direct", &r.RatioP50, &r.RatioP99)
	ratio("gateway by direct", r.GatewayRatioP50, r.GatewayRatioP99)
	if b := r.Batch; b != nil {
		row("batches", fmt.Sprintf("%.0f/s committed", b.CommittedPerS), fmt.Sprintf("p50 %.1f ms", b.P50Ms), fmt.Sprintf("p99 %.1f ms", b.P99Ms),
			fmt.Sprintf("%d refused", b.Refused), fmt.Sprintf("%.2f us of CPU a payment", b.CPUUs), fmt.Sprintf("%.0f s in bodies of %d", b.DurationS, b.Payments))
	}
	if s := r.Restart; s != nil {
		row("restart", fmt.Sprintf("%d lost of %d", s.Lost, s.Requests), fmt.Sprintf("%d restarts", s.Restarts), fmt.Sprintf("p99 %.1f ms", s.P99Ms))
	} else {
		row("restart", "NOT MEASURED: "+r.Note)
	}
	if s := r.Sockets; s != nil {
		row("WebSockets", fmt.Sprintf("%d and %d stalled", s.Subscribers, s.Stalled), fmt.Sprintf("head p50 %.1f ms", s.HeadP50Ms), fmt.Sprintf("p99 %.1f ms", s.HeadP99Ms),
			fmt.Sprintf("%.1f KiB a connection", s.KiBPerConnection), fmt.Sprintf("%d closed", s.Closed))
	}
	row("checked", fmt.Sprintf("%d paid, %d counted", r.Paid, r.Counted), "roots equal "+yesNo(r.RootsEqual), "money conserved "+yesNo(r.Conserved))
	row("machine", r.Machine)
	row("verified", r.Verified)
}
