// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/subscribers"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
)

// asSubscribers says that this process is the one with the WebSockets.
const asSubscribers = "AURIGRAPH_TEST_SUBSCRIBERS"

func TestMain(m *testing.M) {
	if os.Getenv(asSubscribers) == "" {
		m.Run() // its result is the program's when this returns
		return
	}
	if err := subscribers.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
		panic(err)
	}
}

// withV10 runs a network in this process whose validators serve V10's clients. What stands for nginx is one of them.
func withV10(t *testing.T, cfg GatewayConfig) *GatewayTarget {
	t.Helper()
	n, err := network.Create(filepath.Join(t.TempDir(), "network"), network.Options{Name: "bench", Nodes: cfg.Nodes, Demo: true, V10: true})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	target := &GatewayTarget{Target: Target{CAFile: n.Path(n.CA)}, Funded: n.V10.Accounts, Supply: uint64(len(n.V10.Accounts)) * network.DemoBalance().Lo}
	target.Trust, err = n.Trust()
	must(t, err)
	var group errgroup.Group
	target.Stop = func() error {
		cancel()
		return group.Wait()
	}
	var nodes []*node.Node
	for _, one := range n.Nodes {
		settings, err := config.Load(n.Path(one.Dir))
		must(t, err)
		settings.Commit.SegmentBytes, settings.Commit.CheckpointInterval = 16<<20, 200*time.Millisecond
		nd, err := node.Open(context.Background(), settings, slog.New(slog.DiscardHandler))
		must(t, err)
		group.Go(func() error { return errors.Join(nd.Run(ctx), nd.Close()) })
		nodes = append(nodes, nd)
		target.Endpoints, target.REST = append(target.Endpoints, nd.GRPCAddress()), append(target.REST, nd.RestAddress())
		target.Nodes = append(target.Nodes, TargetNode{ID: one.ID, PID: os.Getpid(), Dir: settings.Dir, Metrics: "http://" + nd.MetricsAddress() + "/metrics"})
	}
	for _, nd := range nodes {
		select {
		case <-nd.Ready():
		case <-time.After(20 * time.Second):
			t.Fatalf("a node does not serve: %v", target.Stop())
		}
	}
	target.Rest = &GatewayRest{PID: os.Getpid(), REST: target.REST[1]}
	target.Subscribers = func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), asSubscribers+"=1"), os.Stderr
		return cmd
	}
	return target
}

// TestRunGateway measures a little of everything: with gateways that are restarted, and where there is no nginx.
func TestRunGateway(t *testing.T) {
	if testing.Short() {
		t.Skip("runs nodes for some seconds")
	}
	cfg := GatewayConfig{Nodes: 2, Duration: 10 * time.Second, Rate: 200, BatchRate: 4000, BatchPayments: 200, RestartRate: 200, Subscribers: 20, Stalled: 1, Seed: 1}
	target := withV10(t, cfg)
	restarted := make([]int, 2)
	stopped := false
	target.Rolling = func(context.Context) (*Rolling, error) {
		return &Rolling{
			Address: target.REST[1], Count: 2, Stop: func() error { stopped = true; return nil },
			Restart: func(_ context.Context, i int) error { restarted[i]++; return nil },
		}, nil
	}
	told := &seen{stages: map[string]bool{}}
	g := &gatewayRun{cfg: cfg, target: target, progress: told, report: newGatewayReport(cfg), scale: gatewayScale{
		accounts: 2048, sockets: time.Second, batch: time.Second, restarts: 1500 * time.Millisecond, pairs: pairsMin, slice: 50 * time.Millisecond, socketsWarm: 600 * time.Millisecond,
	}}
	if err := g.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, told)
	}
	r := g.report
	if why := r.Failed(); why != "" || r.Paid != r.Counted || len(r.Nodes) != 2 || r.RSSMBMax <= 0 {
		t.Errorf("%q, %+v\n%s", why, r, told)
	}
	for name, a := range map[string]*ArmReport{"direct": r.Direct, "in_node": r.InNode, "gateway": r.Gateway} {
		if a.Requests < 100 || a.Requests != r.Direct.Requests || a.P50Us <= 0 || a.P99Us < a.P50Us || a.CPUUs <= 0 || a.Blocks <= 0 {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if r.RatioP50.Low <= 0 || r.RatioP50.Median < r.RatioP50.Low || r.RatioP50.High < r.RatioP50.Median || r.GatewayRatioP99 == nil {
		t.Errorf("%+v", r)
	}
	if b := r.Batch; b.CommittedPerS < 3000 || b.Requests != 20 || b.P99Ms <= 0 || b.Refused != 0 || b.CPUUs <= 0 {
		t.Errorf("%+v", b)
	}
	if s := r.Restart; s.Requests != 300 || s.Lost != 0 || s.Restarts < 2 || s.Doubled != 0 || restarted[0] == 0 || restarted[1] == 0 || !stopped {
		t.Errorf("%+v, %v, %v", s, restarted, stopped)
	}
	if s := r.Sockets; s.Heads < 20 || s.Closed != 0 || s.HeadP99Ms < s.HeadP50Ms || s.HeadMaxMs <= 0 {
		t.Errorf("%+v", s)
	}
	for _, stage := range []string{"opening", "WebSockets", "pairs", "batches", "restarts"} {
		if !told.stages[stage] {
			t.Errorf("%s was not shown: %v", stage, told.stages)
		}
	}
}

// TestNoNginx: without nginx the bench says so, loudly, and does not count.
func TestNoNginx(t *testing.T) {
	told := &seen{stages: map[string]bool{}}
	g := &gatewayRun{progress: told, report: &GatewayReport{}, target: &GatewayTarget{
		Rolling: func(context.Context) (*Rolling, error) {
			return nil, fault.New(fault.NotFound, "nginx is not installed")
		},
	}}
	if err := g.restarts(t.Context()); err != nil || g.report.Restart != nil || g.report.Note != "nginx is not installed" {
		t.Errorf("%v, %+v", err, g.report)
	}
	if text := told.String(); text != "*** the restart of gateways behind nginx is SKIPPED, and so the bench does not count: nginx is not installed ***\n" {
		t.Error(text)
	}
}
