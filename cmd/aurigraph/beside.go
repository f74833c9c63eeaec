// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/copier"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/devbroker"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// Names of what stands beside a network that is in step with a V10: in run.json, and of their logs in V10's folder.
const (
	besideV10  = "v10"
	besideHalf = "v10-sync"
)

// beside is what stands beside a network that is in step with a V10: a broker, V10, and V10's half of the sync. V10 and the half are
// processes, and are started again like validators; the network goes on without them. When V10 is switched off the router and the migration's
// controller stay.
type beside struct {
	app     *app
	network *network.Network
	program string
	more    []string // of V10's command line
	file    *network.RunFile
	say     func(format string, args ...any)
	pause   time.Duration
	broker  *devbroker.Broker    // nil: it is elsewhere
	metrics *prometheus.Registry // of the router and the shadow

	copied   copier.Report // of the copy that this run made, if it made one
	copyTook time.Duration

	running context.Context // of what is kept, until stop
	stop    func()
	kept    sync.WaitGroup
	v10     context.Context // of what only V10 needs: until stop too, or until V10 is switched off
	stopV10 func()
	keptV10 sync.WaitGroup
	mu      sync.Mutex // guards fails
	fails   []error
}

// startBeside starts the broker and V10, and returns when V10 serves.
func (a *app) startBeside(ctx context.Context, n *network.Network, s *supervisor) (*beside, error) {
	b := &beside{app: a, network: n, program: s.program, more: s.moreV10, file: s.file, say: s.say, pause: s.pause, metrics: obs.NewRegistry()}
	b.running, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	b.v10, b.stopV10 = context.WithCancel(b.running)
	if n.Sync.OffMs != 0 {
		b.stopV10()
		return b, nil
	}
	if err := b.startBroker(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	first, err := b.launch(besideV10, b.v10Args()...)
	if err == nil {
		err = first.AwaitReady(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	b.keepV10(besideV10, first, b.v10Args())
	b.kept.Go(b.watchOff)
	return b, nil
}

// watchOff ends V10, and what only it needs, when the network's description says that it is to be off: the broker last.
func (b *beside) watchOff() {
	for b.running.Err() == nil {
		await(b.running, followEvery)
		n, err := network.Open(b.network.Dir)
		if err != nil || n.Sync == nil || n.Sync.OffMs == 0 { // what cannot be read now is read later
			continue
		}
		b.say("V10 is switched off")
		b.endV10()
		return
	}
}

// endV10 ends what only V10 needs.
func (b *beside) endV10() {
	b.stopV10()
	b.keptV10.Wait()
	if b.broker != nil {
		b.broker.Close()
		b.broker = nil
	}
}

// startBroker starts the network's own broker, if it has one, and makes the topics.
func (b *beside) startBroker(ctx context.Context) error {
	s := b.network.Sync
	if s.Embedded {
		port, err := s.Port()
		if err != nil {
			return err
		}
		log := obs.NewLogger(b.logs("kafka"), slog.LevelInfo)
		// Unsynced, as Kafka is: both ledgers' own logs have what a crash of the machine may take from it.
		if b.broker, err = devbroker.Start(devbroker.Config{Dir: b.network.Path(network.BrokerFolder), Port: port, Unsynced: true, Log: log}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, syncInitMax)
	defer cancel()
	return bus.Init(ctx, bus.Config{Brokers: []string{s.Kafka}, Prefix: s.Prefix}, bus.DefaultSettings())
}

// roundMinBeside is for what network.intervalOfSynced is: each round is a change more for V11.
const roundMinBeside = 10 * time.Millisecond

// v10Args are the command line of V10, whose accounts are funded there.
func (b *beside) v10Args() []string {
	n, s := b.network, b.network.Sync
	args := []string{
		"v10", "serve", "--json", "--dir", filepath.Join(n.Path(s.Dir), "data"), "--store", s.Store, "--listen", s.V10, "--changes", s.Changes,
		"--sync-key", n.Path(s.Key), "--alias-key", n.Path(n.V10.AliasKey), "--round-min", roundMinBeside.String(),
	}
	args = append(args, b.more...)
	for _, name := range n.V10.Accounts {
		args = append(args, "--fund", name+"="+network.DemoBalance().Decimal(network.DemoScale))
	}
	return args
}

// startHalf starts V10's half of the sync, once the initial copy is done.
func (b *beside) startHalf() error {
	n, s := b.network, b.network.Sync
	args := []string{
		"sync", "v10", "--brokers", s.Kafka, "--topic-prefix", s.Prefix, "--port", s.ChangesURL(), "--ledger", s.Ledger, "--sync-key", n.Path(s.Key),
		"--alias-key", n.Path(n.V10.AliasKey), "--genesis", n.GenesisPath(), "--start", strconv.FormatUint(s.Copied, 10), "--admin", syncSocket(n),
		"--metrics", s.Metrics,
	}
	first, err := b.launch(besideHalf, args...)
	if err == nil {
		b.keepV10(besideHalf, first, args)
	}
	return err
}

// launch starts a process and notes it.
func (b *beside) launch(name string, args ...string) (*network.Process, error) {
	logs := b.logs(name)
	p, err := network.LaunchTool(name, b.program, logs, args...)
	b.app.closeLog(logs)
	if err != nil {
		return nil, err
	}
	return p, b.file.SetBeside(name, p.PID())
}

// keep keeps a process running until the end.
func (b *beside) keep(name string, first *network.Process, args []string) {
	b.kept.Go(func() { b.keepUntil(b.running, name, first, args) })
}

// keepV10 keeps a process running until the end, or V10's.
func (b *beside) keepV10(name string, first *network.Process, args []string) {
	b.keptV10.Go(func() { b.keepUntil(b.v10, name, first, args) })
}

func (b *beside) keepUntil(ctx context.Context, name string, first *network.Process, args []string) {
	for p := first; p != nil; p = b.again(ctx, name, args) {
		select {
		case <-p.Ended():
			b.note(b.file.SetBeside(name, 0))
			b.say("%s (pid %d) ended: %s; it is started again in %s", name, p.PID(), p.How(), b.pause)
		case <-ctx.Done():
			b.note(p.Stop())
			b.note(b.file.SetBeside(name, 0))
			return
		}
	}
}

// again starts a process again, until that works or all is to stop; then it returns nil.
func (b *beside) again(ctx context.Context, name string, args []string) *network.Process {
	for {
		await(ctx, b.pause)
		if ctx.Err() != nil {
			return nil
		}
		p, err := b.launch(name, args...)
		if err == nil {
			return p
		}
		b.say("%s: %v; it is tried again in %s", name, err, b.pause)
	}
}

func (b *beside) note(err error) {
	if err == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails = append(b.fails, err)
}

// close stops all, the broker last.
func (b *beside) close() error {
	b.stop()
	b.kept.Wait()
	b.endV10()
	return errors.Join(b.fails...)
}

// logs is where a log goes: standard error with --json, else a file in V10's folder.
func (b *beside) logs(name string) io.Writer {
	if b.app.json {
		return b.app.err
	}
	dir := b.network.Path(b.network.Sync.Dir)
	err := os.MkdirAll(dir, 0o755)
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(filepath.Join(dir, name+".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	}
	if err != nil {
		b.say("%v", fault.Wrap(fault.Unavailable, err, "open the log of %s", name))
		return io.Discard
	}
	return f
}

// join brings the two in step, when both serve: V10's changes are let in, what V10 has is copied, once, and its half of the sync starts.
func (b *beside) join(ctx context.Context, bar *bar) error {
	if b.network.Sync.OffMs == 0 {
		if err := b.joinV10(ctx, bar); err != nil {
			return err
		}
	}
	if err := b.startRouter(ctx); err != nil {
		return err
	}
	return b.startController()
}

func (b *beside) joinV10(ctx context.Context, bar *bar) error {
	n := b.network
	if err := tellHomes(ctx, n); err != nil {
		return err
	}
	port := v10port.NewClient(n.Sync.ChangesURL(), nil)
	defer port.Close()
	life, _, err := port.Head(ctx)
	if err != nil {
		return err
	}
	if err := b.app.openInbox(ctx, n, life); err != nil {
		return err
	}
	if err := b.startGuard(ctx); err != nil {
		return err
	}
	if n.Sync.Copied == 0 {
		begin := time.Now()
		report, err := b.app.copyOnce(ctx, n, bar)
		if err != nil {
			return err
		}
		if err := n.NoteCopied(report.Sequence); err != nil {
			return err
		}
		b.copied, b.copyTook = report, time.Since(begin)
	}
	return b.startHalf()
}
