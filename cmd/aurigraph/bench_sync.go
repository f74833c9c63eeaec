// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	"github.com/aurigraph/aurigraph/internal/loadgen/syncload"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

func newBenchSync(a *app) *cobra.Command {
	cfg := syncload.DefaultConfig()
	c := &cobra.Command{
		Use:   "sync",
		Short: "Measure how a V10 and a V11 keep each other in step: latency and sustained rate, each way",
		Long: `Starts a pair of its own: four validators, a V10 whose state they take over by an initial copy, V10's half of the sync, and a
broker in this process, or the one of --kafka. Each ledger owns half of the slots. Clients pay open-loop:

Latency: single payments at --rate, for --duration at V10, then at V11, and then at both at once ("both_at_once"). It runs
from a client's answer on one ledger until a client reads the payment on the other: 8 to 16 payments a second have payees of
their own, whose balances are read every 4 ms, and then less often. All payments are measured as well, by V10's change log and
V11's certified blocks ("all_…"). Sustained rate: payments in bodies at one ledger and then at the other, 5,000 a second and
then twice as many until a rate is not kept, for --step each. A rate is kept if 95 % of it are answered and applied on the
other ledger, and what that lacks is never older than a second (p99) and does not pile up.

At rest both ledgers are read back: every payment that was answered must be on both once, and all balances must be what the
payments make of those before. With --kafka the topics have a prefix of their own and are deleted at the end; what other
networks have there stays as it is.

Exit codes: 0 measured, and nothing was lost or made twice; 1 not; 2 the options will not do.`,
		Example: `  aurigraph bench sync
  aurigraph bench sync --rate 1000 --duration 20s --json
  aurigraph bench sync --kafka 127.0.0.1:9092 --v10-store rocksdb \
    --index 'postgres://indexer@127.0.0.1/aurigraph?passfile=/etc/aurigraph/pgpass'`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkBenchSync(cmd, cfg); err != nil {
				return err
			}
			return a.benchSync(cmd.Context(), cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Dir, "network", "", "new folder for the bench's network, kept at the end (default: one that is removed)")
	f.StringVar(&cfg.Kafka, "kafka", cfg.Kafka, "the brokers: embedded, one in this process, or HOST:PORT")
	f.StringVar(&cfg.Store, "v10-store", legacy.EnginePebble, "what keeps V10: "+legacy.EnginePebble+" or "+legacy.EngineRocksDB)
	f.StringVar(&cfg.Index, "index", "", "where transfers are listed from: sqlite, or a new database on the server of postgres://user@host/database?passfile=/path (default: sqlite)")
	f.IntVar(&cfg.Rate, "rate", cfg.Rate, "payments a second at a ledger while latency is measured")
	f.DurationVar(&cfg.Duration, "duration", cfg.Duration, "of each measurement of latency, 1s to 24h")
	f.DurationVar(&cfg.Step, "step", cfg.Step, "how long each rate of the search for the sustained one is held")
	f.IntVar(&cfg.SustainMax, "sustain", cfg.SustainMax, "highest rate of that search, payments a second; 0: none is searched for")
	f.IntVar(&cfg.Accounts, "accounts", cfg.Accounts, "accounts that pay, of each ledger")
	f.BoolVar(&cfg.Hops, "hops", false, "also read the topics while latency is measured, to say where it goes; that costs processor time")
	f.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "of arrivals, payees and amounts")
	return c
}

func checkBenchSync(cmd *cobra.Command, cfg syncload.Config) error {
	if err := cfg.Validate(); err != nil {
		return usage(cmd, "%v", err)
	}
	if _, _, err := net.SplitHostPort(cfg.Kafka); cfg.Kafka != syncload.Embedded && err != nil {
		return usage(cmd, "--kafka %q, must be %s or HOST:PORT", cfg.Kafka, syncload.Embedded)
	}
	if cfg.Store != legacy.EnginePebble && cfg.Store != legacy.EngineRocksDB {
		return usage(cmd, "--v10-store %q, must be %s or %s", cfg.Store, legacy.EnginePebble, legacy.EngineRocksDB)
	}
	return checkIndex(cmd, cfg.Index)
}

func (a *app) benchSync(ctx context.Context, cfg syncload.Config) (err error) {
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
	bar := a.newBar()
	launch := func(ctx context.Context, cfg syncload.Config) (*syncload.Target, error) {
		return a.launchPair(ctx, cfg, bar)
	}
	report, err := syncload.Run(ctx, cfg, launch, &stagesAndShares{stages: stages{above{bar, a.err}}})
	bar.clear()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was measured")
	}
	if err != nil {
		return err
	}
	if err := a.print(report, func(row func(...any)) { syncTable(report, row) }); err != nil {
		return err
	}
	if why := report.Failed(); why != "" {
		return &reported{fault.New(fault.Corrupt, "the bench does not count: %s", why)}
	}
	return nil
}

// half are the slots that V10 owns: a half of them, the treasury's among them.
func half() chain.SlotRange {
	const middle = chain.SlotsMax / 2
	if keys.AliasSlot(ledger.Treasury) < middle {
		return chain.SlotRange{From: 0, To: middle - 1}
	}
	return chain.SlotRange{From: middle, To: chain.SlotsMax - 1}
}

// pairOptions are the network of a pair.
func pairOptions(cfg syncload.Config) (network.Options, error) {
	o := network.Options{
		Name: "bench", Nodes: network.NodesDefault, Demo: true, V10: true, Index: cfg.Index,
		Sync: &network.SyncOptions{Store: cfg.Store, V10Slots: []chain.SlotRange{half()}},
	}
	if cfg.Kafka == syncload.Embedded {
		return o, nil
	}
	var id [6]byte
	if _, err := rand.Read(id[:]); err != nil {
		return o, fault.Wrap(fault.Internal, err, "draw a prefix")
	}
	o.Sync.Kafka, o.Sync.Prefix = cfg.Kafka, "bench-"+hex.EncodeToString(id[:])+"."
	return o, nil
}

// launchPair starts the bench's own pair, and returns when both are in step.
func (a *app) launchPair(ctx context.Context, cfg syncload.Config, bar *bar) (*syncload.Target, error) {
	o, err := pairOptions(cfg)
	if err != nil {
		return nil, err
	}
	n, _, err := newBenchNetwork(cfg.Dir, o, loadgen.AuthBatchMLDSA)
	if err != nil {
		return nil, err
	}
	p := &pair{app: a, network: n}
	if err := p.start(ctx, bar); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	t, err := p.target(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return t, nil
}

// pair is a V10 and a V11 in step, of a bench's own.
type pair struct {
	app     *app
	network *network.Network
	moreV10 []string // of V10's command line
	nodes   []*network.Process
	edge    *network.Process
	beside  *beside
}

func (p *pair) start(ctx context.Context, bar *bar) (err error) {
	bar.spin("starting the pair")
	s, err := newSupervisor(p.app, p.network, bar)
	if err != nil {
		return err
	}
	s.moreV10 = p.moreV10
	if p.beside, err = p.app.startBeside(ctx, p.network, s); err != nil {
		return err
	}
	if p.nodes, err = p.app.startNodes(ctx, p.network); err != nil {
		return err
	}
	if p.network.Gateway != nil {
		if p.edge, err = p.app.startGateway(ctx, p.network); err != nil {
			return err
		}
	}
	return p.beside.join(ctx, bar)
}

// topicsMax bounds the removal of topics.
const topicsMax = 30 * time.Second

// stop stops what runs, V11 last but the broker, and deletes the topics that were made on somebody's brokers.
func (p *pair) stop() error {
	var errs []error
	if p.edge != nil {
		errs = append(errs, p.edge.Stop())
	}
	errs = append(errs, network.StopAll(p.nodes))
	if p.beside != nil {
		errs = append(errs, p.beside.close())
	}
	if s := p.network.Sync; s != nil && !s.Embedded {
		ctx, cancel := context.WithTimeout(context.Background(), topicsMax) //lint:context the run's may have ended, and the topics must go
		defer cancel()
		errs = append(errs, bus.Remove(ctx, bus.Config{Brokers: []string{s.Kafka}, Prefix: s.Prefix}))
	}
	return errors.Join(errs...)
}

// target says where the pair is.
func (p *pair) target(ctx context.Context, cfg syncload.Config) (*syncload.Target, error) {
	n := p.network
	run, err := network.ReadRun(n.Dir)
	if err != nil {
		return nil, err
	}
	owned := half()
	t := &syncload.Target{
		V10: n.Sync.Door(), Changes: n.Sync.ChangesURL(), CAFile: n.Path(n.CA), Funder: ledger.Treasury, Stop: p.stop,
		V10Owns: func(slot uint16) bool { return slot >= owned.From && slot <= owned.To },
		Kafka:   "development broker in the bench's process, flushed by the system, as Kafka", Index: cfg.Index,
	}
	if !n.Sync.Embedded {
		t.Kafka = "Kafka at " + n.Sync.Kafka
	}
	if t.Index == "" {
		t.Index = config.IndexSQLite
	}
	if t.Trust, err = n.Trust(); err != nil {
		return nil, err
	}
	for _, node := range p.nodes {
		t.Endpoints = append(t.Endpoints, node.Ready.GRPC)
		t.Processes = append(t.Processes, syncload.Process{Name: node.Node.ID, PID: node.PID()})
	}
	// One door, as before a gateway, which sends what waits together to one validator: the desks of four would each make batches of their own.
	t.REST = []string{p.nodes[0].Ready.REST}
	t.Processes = append(t.Processes, syncload.Process{Name: "gateway and index", PID: p.edge.PID()})
	for _, name := range []string{besideV10, besideHalf} {
		t.Processes = append(t.Processes, syncload.Process{Name: name, PID: run.Beside[name]})
	}
	if cfg.Hops {
		t.Topics, err = p.topics(ctx)
	}
	return t, err
}

// topics are those of the pair.
func (p *pair) topics(ctx context.Context) (*syncload.Topics, error) {
	n := p.network
	genesis, err := node.ReadGenesis(n.GenesisPath())
	if err != nil {
		return nil, err
	}
	v10 := v10port.NewClient(n.Sync.ChangesURL(), nil)
	defer v10.Close()
	life, _, err := v10.Head(ctx)
	if err != nil {
		return nil, err
	}
	id := envelope.LedgerID(codec.GenesisHash(genesis))
	t := &syncload.Topics{Bus: bus.Config{Brokers: []string{n.Sync.Kafka}, Prefix: n.Sync.Prefix, KeyFiles: []string{n.Path(n.Sync.Key)}}}
	t.Sources[syncload.V10] = envelope.Source{Ledger: envelope.V10Ledger(n.Sync.Ledger), Origin: envelope.V10, Life: firstLife, Incarnation: life}
	t.Sources[syncload.V11] = envelope.Source{Ledger: id, Origin: envelope.V11, Life: firstLife, Incarnation: envelope.V11Incarnation(id)}
	return t, nil
}

func syncTable(r *syncload.Report, row func(...any)) {
	way := func(name string, read, all, ack syncload.Spread) {
		row(name, fmt.Sprintf("read p50 %.1f ms", read.P50), fmt.Sprintf("p99 %.1f ms", read.P99), fmt.Sprintf("max %.1f ms", read.Max), fmt.Sprintf("%d samples", read.Samples),
			fmt.Sprintf("of all %d p50 %.1f ms, p99 %.1f ms", all.Samples, all.P50, all.P99), fmt.Sprintf("the answer before took p50 %.1f ms, p99 %.1f ms", ack.P50, ack.P99))
	}
	way("V10 to V11", r.V10ToV11, r.AllV10ToV11, r.AckV10)
	way("V11 to V10", r.V11ToV10, r.AllV11ToV10, r.AckV11)
	if r.TopicV10 != nil && r.TopicV11 != nil {
		row("  of it to V10's log", fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", r.ToldV10.P50, r.ToldV10.P99), "and onto the topics", fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", r.TopicV10.P50, r.TopicV10.P99))
		row("  of it to a certified block", fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", r.ToldV11.P50, r.ToldV11.P99), "and onto the topics", fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", r.TopicV11.P50, r.TopicV11.P99))
	}
	row("sustained", fmt.Sprintf("V10 to V11 %.0f/s", r.Sustained.V10ToV11), fmt.Sprintf("V11 to V10 %.0f/s", r.Sustained.V11ToV10), "each alone")
	for _, s := range r.Steps {
		row("  step", fmt.Sprintf("offered %d/s at %s", s.OfferedPerS, strings.Join(s.Paid, " and ")), fmt.Sprintf("applied %.0f and %.0f/s", s.V10ToV11.AppliedPerS, s.V11ToV10.AppliedPerS),
			fmt.Sprintf("lag p99 %.0f and %.0f ms", s.V10ToV11.LagP99Ms, s.V11ToV10.LagP99Ms), fmt.Sprintf("in step after %.1f s", s.DrainedS), "kept "+yesNo(s.Kept), s.Note)
	}
	row("checked", fmt.Sprintf("%d payments answered", r.Acked), fmt.Sprintf("%d lost", r.Lost), fmt.Sprintf("%d made twice", r.Duplicated), fmt.Sprintf("%d altered", r.Altered),
		fmt.Sprintf("%d balances of %d accounts differ", r.BalancesDiffer, r.Accounts))
	for _, p := range r.Processes {
		row(p.Name, fmt.Sprintf("%.2f cores in latency", p.CoresLatency), fmt.Sprintf("%.2f in the search", p.CoresSustained), fmt.Sprintf("%.0f MB at most", p.RSSMBMax))
	}
	row("kafka", r.Kafka)
	row("kept in", "V10 "+r.Store, "index "+r.Index)
	row("machine", r.Machine)
	row("verified", r.HowChecked)
}
