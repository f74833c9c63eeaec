// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// GatewayTarget is a running network of the bench's own that serves V10's clients.
type GatewayTarget struct {
	Target
	REST   []string     // where the validators serve the dialect, host:port, by number
	Funded []string     // V10 names of accounts that have money
	Supply uint64       // of the asset that is paid with, in smallest units
	Rest   *GatewayRest // a gateway that serves the dialect; nil: there is none
	// Rolling starts gateways behind nginx. Its error says why that cannot be measured here.
	Rolling func(ctx context.Context) (*Rolling, error)
	// Subscribers makes the command of a process that calls subscribers.Serve.
	Subscribers func() *exec.Cmd
}

// GatewayRest is a gateway's process.
type GatewayRest struct {
	PID  int
	REST string
}

// Rolling is gateways behind one proxy.
type Rolling struct {
	Address string                                 // the proxy's, host:port
	Count   int                                    // of gateways
	Restart func(ctx context.Context, i int) error // one of them, by SIGTERM, until it serves again
	Stop    func() error
}

// gatewayRun is a run in progress.
type gatewayRun struct {
	cfg      GatewayConfig
	scale    gatewayScale
	target   *GatewayTarget
	progress Progress
	report   *GatewayReport
	accounts []string
	base     uint64 // transfers that the ledger counted before the bench's
}

// RunGateway measures how V10's clients are served: the latency of a payment over REST beside that over gRPC, batches, the restart
// of gateways behind nginx, and WebSockets.
func RunGateway(ctx context.Context, cfg GatewayConfig, launch func(context.Context, GatewayConfig) (*GatewayTarget, error), progress Progress) (*GatewayReport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	target, err := launch(ctx, cfg)
	if err != nil {
		return nil, err
	}
	g := &gatewayRun{cfg: cfg, scale: cfg.scale(target.arms()), target: target, progress: progress, report: newGatewayReport(cfg)}
	return g.report, g.run(ctx)
}

// run measures, stops the nodes, and proves what they left.
func (g *gatewayRun) run(ctx context.Context) error {
	err := g.measure(ctx)
	g.say("stopping the nodes")
	if err := errors.Join(err, g.target.Stop()); err != nil {
		return err
	}
	return g.readDisks()
}

// arms is how many ways to pay there are.
func (t *GatewayTarget) arms() int {
	if t.Rest == nil {
		return 2
	}
	return 3
}

func (g *gatewayRun) say(format string, args ...any) { fmt.Fprintf(g.progress, format+"\n", args...) }

// measure does all that needs the nodes running. Sockets come first: memory that a validator has used before would hide theirs.
func (g *gatewayRun) measure(ctx context.Context) error {
	for _, step := range []func(context.Context) error{g.prepare, g.sockets, g.pairs, g.batches, g.restarts, g.settle} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until all nodes have what any has, and counts.
func (g *gatewayRun) settle(ctx context.Context) error {
	b := &bench{cfg: Config{Nodes: g.cfg.Nodes}, target: &g.target.Target, out: g.progress}
	if err := b.await(ctx); err != nil {
		return err
	}
	counted, err := g.counted(ctx)
	if err != nil {
		return err
	}
	g.report.Counted = int64(counted - g.base)
	for _, n := range g.target.Nodes {
		u, err := usageOf(n.PID)
		if err != nil {
			return err
		}
		g.report.RSSMBMax = max(g.report.RSSMBMax, u.rssMaxMB)
	}
	return nil
}

// counted is how many transfers were executed, as the node says that has executed most.
func (g *gatewayRun) counted(ctx context.Context) (most uint64, err error) {
	for _, endpoint := range g.target.Endpoints {
		s, err := client.StatusOf(ctx, client.Config{CAFile: g.target.CAFile, Trust: g.target.Trust}, endpoint)
		if err != nil {
			return 0, err
		}
		most = max(most, s.Legs)
	}
	return most, nil
}

// readDisks proves the stopped nodes: roots and money.
func (g *gatewayRun) readDisks() (err error) {
	r := g.report
	if r.RootsEqual, err = sameHeaders(g.target.Nodes); err != nil {
		return err
	}
	r.Conserved = true
	for _, n := range g.target.Nodes {
		d, err := readBack(n.Dir, issues{units: map[chain.AssetNo]uint64{1: g.target.Supply}})
		if err != nil {
			return err
		}
		r.RootsEqual, r.Conserved = r.RootsEqual && d.rootEqual, r.Conserved && d.conserved
		r.Nodes = append(r.Nodes, NodeReport{ID: n.ID, Dir: n.Dir})
	}
	return nil
}

// pids are the validators' processes.
func (g *gatewayRun) pids() (out []int) {
	for _, n := range g.target.Nodes {
		out = append(out, n.PID)
	}
	return out
}

// Accounts of a run. A payer has one batch under way at a desk, so there are many more of them than requests at a time.
const (
	gatewayAccounts = 16_384
	fundedUnits     = 100 * 1e8 // each, in smallest units: a payment is paidUnits
	paidUnits       = 100
	paidText        = "0.000001" // as V10 writes paidUnits
	fundedText      = "100"
	fundWaves       = 3 // attempts at accounts whose opening had to wait
)

// prepare opens the accounts that pay.
func (g *gatewayRun) prepare(ctx context.Context) (err error) {
	if len(g.target.Funded) == 0 || g.target.Supply < uint64(g.scale.accounts)*fundedUnits {
		return fault.New(fault.Invalid, "the network has no account that can fund those of the bench")
	}
	g.accounts = make([]string, g.scale.accounts)
	for i := range g.accounts {
		g.accounts[i] = fmt.Sprintf("BENCH-%05d", i)
	}
	g.say("opening %d accounts", len(g.accounts))
	for from := 0; from < len(g.accounts); from += fundBatch {
		funder := g.target.Funded[from/fundBatch%len(g.target.Funded)]
		if err := g.fund(ctx, funder, g.accounts[from:from+fundBatch]); err != nil {
			return err
		}
		g.progress.Show("opening", int64(from+fundBatch), int64(len(g.accounts)))
	}
	if err := g.acquaint(); err != nil {
		return err
	}
	g.base, err = g.counted(ctx)
	return err
}

// payees draws a payee for each payer, none of which is itself.
func payees(seed uint64, n int) []int {
	r := rand.New(rand.NewPCG(seed, 7))
	out := make([]int, n)
	for i := range out {
		out[i] = (i + 1 + r.IntN(n-1)) % n
	}
	return out
}

// note keeps refusals of a load that must have none.
func (g *gatewayRun) note(p *paced) {
	g.report.Paid += int64(p.paid)
	for reason, n := range p.lost {
		g.report.Refusals[reason] += n
	}
}

// latencies are p50, p99 and p99.9 of a load, in ms.
func latencies(p *paced) Percentiles {
	s := p.sorted()
	return Percentiles{P50: milliseconds(quantile(s, 0.5)), P99: milliseconds(quantile(s, 0.99)), P999: milliseconds(quantile(s, 0.999))}
}

// orders draws the order of the arms of each pair.
func orders(seed uint64, pairs, arms int) [][]int {
	r := rand.New(rand.NewPCG(seed, 11))
	out := make([][]int, pairs)
	for i := range out {
		out[i] = r.Perm(arms)
	}
	return out
}

// shown makes a tick that shows how far a load is.
func (g *gatewayRun) shown(stage string, before, total int) func(int) {
	last := time.Time{}
	return func(sent int) {
		if now := time.Now(); now.Sub(last) > showEvery {
			last = now
			g.progress.Show(stage, int64(before+sent), int64(total))
		}
	}
}

const showEvery = 100 * time.Millisecond
