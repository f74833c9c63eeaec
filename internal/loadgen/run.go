// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Target is a running network of the bench's own.
type Target struct {
	Endpoints   []string
	CAFile      string
	Trust       *client.Trust
	Nodes       []TargetNode
	Edge        *TargetEdge // the gateway, which has the query index; nil: the first node has it
	Institution chain.InstitutionNo
	Signer      client.Signer // a key of that institution
	// Stop stops the nodes cleanly and waits for them.
	Stop func() error
}

// TargetNode is one node process.
type TargetNode struct {
	ID      string
	PID     int
	Dir     string
	Metrics string // URL
}

// TargetEdge is the gateway's process. No load goes through it.
type TargetEdge struct {
	PID  int
	GRPC string
}

// cpu is what the gateway has used since it began; nothing if there is none.
func (e *TargetEdge) cpu() (time.Duration, error) {
	if e == nil {
		return 0, nil
	}
	u, err := usageOf(e.PID)
	return u.cpu, err
}

// Launcher starts a network for a run; scheme is that of the institution's key.
type Launcher func(ctx context.Context, cfg Config) (*Target, error)

// pipesMin is how many streams carry the load at least, each over a connection of its own. Each node has one at least.
const pipesMin = 2

func (b *bench) pipes() int { return max(pipesMin, b.cfg.Nodes) }

// Run carries a bench out. progress gets a line now and then.
func Run(ctx context.Context, cfg Config, launch Launcher, progress io.Writer) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	target, err := launch(ctx, cfg)
	if err != nil {
		return nil, err
	}
	report, issued, err := measure(ctx, cfg, target, progress)
	fmt.Fprintln(progress, "stopping the nodes")
	if err := errors.Join(err, target.Stop()); err != nil {
		return nil, err
	}
	report.Conserved = true
	report.RootsEqual, err = sameHeaders(target.Nodes)
	if err != nil {
		return nil, err
	}
	for _, n := range target.Nodes {
		d, err := readBack(n.Dir, issued)
		if err != nil {
			return nil, err
		}
		report.RootsEqual = report.RootsEqual && d.rootEqual
		report.Conserved = report.Conserved && d.conserved
		report.Nodes = append(report.Nodes, NodeReport{ID: n.ID, Dir: n.Dir})
	}
	return report, nil
}

// load is the kind of load of a run: it prepares units and carries them.
type load interface {
	// prepare signs enough units for legs transfers a second over a duration, and opens fresh streams.
	prepare(ctx context.Context, legsPerS float64, d time.Duration) ([]pipe, error)
	legsPerUnit() int
	// signingCPU is the CPU time that the last prepare took: it is not load.
	signingCPU() time.Duration
	// proved ends the proofs and returns how many legs they covered.
	proved() (int64, error)
}

func measure(ctx context.Context, cfg Config, t *Target, progress io.Writer) (*Report, issues, error) {
	b := &bench{cfg: cfg, target: t, out: progress, world: &world{chain: t.Trust.ChainID}}
	var err error
	if b.client, err = b.dial(ctx, 0); err != nil {
		return nil, issues{}, err
	}
	defer b.client.Close()
	b.say("opening %d accounts and %d assets", cfg.Accounts, cfg.Assets)
	if err := b.prepare(ctx, t.Institution, t.Signer); err != nil {
		return nil, issues{}, err
	}
	l, err := b.newLoad(ctx)
	if err != nil {
		return nil, issues{}, err
	}
	r := &Report{Machine: machine(), Refusals: map[string]int{}, Verified: b.verified()}
	rate, err := b.search(ctx, l, r)
	if err != nil {
		return nil, issues{}, err
	}
	for try := 1; ; try++ {
		kept, err := b.hold(ctx, l, rate, r)
		if err != nil {
			return nil, issues{}, err
		}
		if kept || cfg.Rate > 0 || try == holdTries {
			return r, b.issued, b.finish(ctx, l, r)
		}
		rate *= holdAgain
	}
}

// dial connects to one node: what a node answered is asked of it again, since another may be a block behind.
func (b *bench) dial(ctx context.Context, node int) (*client.Client, error) {
	return client.Dial(ctx, client.Config{Endpoints: b.target.Endpoints[node : node+1], CAFile: b.target.CAFile, Trust: b.target.Trust})
}

// step runs one step of load and reports it.
func (b *bench) step(ctx context.Context, l load, rate, room float64, d time.Duration) (*result, StepReport, error) {
	pipes, err := l.prepare(ctx, room, d)
	if err != nil {
		return nil, StepReport{}, err
	}
	interval := time.Duration(0)
	if rate > 0 {
		interval = time.Duration(float64(l.legsPerUnit()) / rate * float64(time.Second))
	}
	r, err := drive(ctx, pipes, interval, d)
	if err != nil {
		return nil, StepReport{}, err
	}
	s := StepReport{OfferedPerS: rate, CommittedPerS: float64(r.inTime) / d.Seconds(), FinalityMs: percentiles(r.samples)}
	s.Kept = rate > 0 && s.CommittedPerS >= 0.97*rate && s.FinalityMs.P99 < float64(p99Max.Milliseconds()) && !r.grew() && len(r.refusals) == 0
	b.say("offered %.0f/s: committed %.0f/s, finality p50 %.1f ms, p99 %.1f ms, kept %v", rate, s.CommittedPerS, s.FinalityMs.P50, s.FinalityMs.P99, s.Kept)
	return r, s, nil
}

// search finds a rate to measure: first as fast as it goes, then by the steps of a rateSearch. A rate that was given is only
// warmed up to: what a node touches for the first time it has from then on.
func (b *bench) search(ctx context.Context, l load, r *Report) (float64, error) {
	if rate := float64(b.cfg.Rate); rate > 0 {
		_, warm, err := b.step(ctx, l, rate, rate, min(stepTime, b.cfg.Duration))
		r.Steps = append(r.Steps, warm)
		return rate, err
	}
	_, peak, err := b.step(ctx, l, 0, b.guess(), stepTime)
	if err != nil {
		return 0, err
	}
	r.Steps, r.PeakPerS = append(r.Steps, peak), peak.CommittedPerS
	s := newRateSearch(peak.CommittedPerS)
	for n := 1; s.goesOn(n); n++ {
		_, step, err := b.step(ctx, l, s.rate, s.rate, stepTime)
		if err != nil {
			return 0, err
		}
		r.Steps = append(r.Steps, step)
		s.next(step.Kept)
	}
	return s.measure(), nil
}

// guess is a rate that no machine of this class passes, for the step that goes as fast as it can.
func (b *bench) guess() float64 {
	if b.cfg.Auth == AuthSingle {
		return 200_000
	}
	return 8_000_000
}

// hold is the measurement. It reports whether the rate was kept; a report holds the last measurement.
func (b *bench) hold(ctx context.Context, l load, rate float64, r *Report) (kept bool, err error) {
	before := make([]usage, len(b.target.Nodes))
	for i, n := range b.target.Nodes {
		if before[i], err = usageOf(n.PID); err != nil {
			return false, err
		}
	}
	edge, err := b.target.Edge.cpu()
	if err != nil {
		return false, err
	}
	own := ownCPU()
	stages, err := b.readStages(ctx)
	if err != nil {
		return false, err
	}
	index, err := b.indexing(ctx)
	if err != nil {
		return false, err
	}
	res, s, err := b.step(ctx, l, rate, rate, b.cfg.Duration)
	if err != nil {
		return false, err
	}
	indexed, err := b.indexing(ctx)
	if err != nil {
		return false, err
	}
	r.IndexPerS = indexed.perS(index, res.committed)
	own = ownCPU() - own - l.signingCPU()
	after, err := b.readStages(ctx)
	if err != nil {
		return false, err
	}
	r.stages(after.since(stages))
	r.Steps = append(r.Steps, s)
	r.OfferedPerS, r.CommittedPerS, r.FinalityMs, r.Committed = rate, s.CommittedPerS, s.FinalityMs, res.committed
	r.PeakPerS = max(r.PeakPerS, s.CommittedPerS)
	r.Refusals = res.refusals
	if r.Committed == 0 {
		return false, fault.New(fault.Refused, "nothing was committed: %v", res.refusals)
	}
	r.CPUUsPerTransferPerNode, r.DiskBytesPerTransfer = 0, 0
	for i, n := range b.target.Nodes {
		after, err := usageOf(n.PID)
		if err != nil {
			return false, err
		}
		share := float64(r.Committed) * float64(len(b.target.Nodes))
		r.CPUUsPerTransferPerNode += float64((after.cpu - before[i].cpu).Microseconds()) / share
		r.DiskBytesPerTransfer += float64(after.writeBytes-before[i].writeBytes) / share
		r.RSSMBMax = max(r.RSSMBMax, after.rssMaxMB)
	}
	edgeAfter, err := b.target.Edge.cpu()
	if err != nil {
		return false, err
	}
	r.EdgeCPUS = (edgeAfter - edge).Seconds()
	r.LoadCPUUsPerTransfer = float64(own.Microseconds()) / float64(r.Committed)
	return s.Kept, nil
}

// finish adds what is known only after the load.
func (b *bench) finish(ctx context.Context, l load, r *Report) error {
	if err := b.await(ctx); err != nil {
		return err
	}
	status, err := b.indexStatus(ctx)
	if err != nil {
		return err
	}
	r.IndexLagRows = status.IndexLagRows
	r.ReceiptsChecked, err = l.proved()
	return err
}

// indexStatus is a status by whoever has the query index.
func (b *bench) indexStatus(ctx context.Context) (*client.Status, error) {
	if b.target.Edge == nil {
		return b.client.Status(ctx)
	}
	return client.StatusOf(ctx, client.Config{CAFile: b.target.CAFile, Trust: b.target.Trust}, b.target.Edge.GRPC)
}

// awaitMax is how long nodes may take to have what the others have, after the load.
const awaitMax = 30 * time.Second

// await waits until every node published what any had published when the load ended.
func (b *bench) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, awaitMax)
	defer cancel()
	var most chain.Height
	clients := make([]*client.Client, len(b.target.Nodes))
	for i := range clients {
		c, err := b.dial(ctx, i)
		if err != nil {
			return err
		}
		defer c.Close()
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		clients[i], most = c, max(most, s.Height)
	}
	for i, c := range clients {
		for {
			s, err := c.Status(ctx)
			if err != nil {
				return fault.Wrap(fault.Unavailable, err, "node %s did not reach height %d after the load", b.target.Nodes[i].ID, most)
			}
			if s.Height >= most {
				break
			}
			time.Sleep(10 * time.Millisecond) //lint:sleep polls another process
		}
	}
	return nil
}

func (b *bench) verified() string {
	what := "one " + b.cfg.Auth[len("batch-"):] + " signature per batch of 8,192 transfers, signed ahead"
	if b.cfg.Auth == AuthSingle {
		what = fmt.Sprintf("one ed25519 signature per transfer, signed ahead, %d in a message", singlesPerMessage)
	}
	return fmt.Sprintf("%s; verified by %d node(s) of a quorum of %d; each receipt's certificate, header line and outcomes verified by the client; "+
		"more than one leg in a thousand proved by the node's BLAKE3 slice; state roots and money recounted from the stopped nodes' checkpoints; "+
		"load generator on the same cores; TLS 1.3; durable before the receipt", what, b.cfg.Nodes, chain.Quorum(b.cfg.Nodes))
}
