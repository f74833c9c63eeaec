// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/network"
)

// Bounds of a fleet under faults.
const (
	fleetSize   = 4
	startMax    = 60 * time.Second       // for a validator to serve
	settleMax   = 20 * time.Second       // for all to follow one leader, or to rest at one height, after the last fault
	askMax      = time.Second            // for a validator to say how it is
	lookAgain   = 50 * time.Millisecond  // between two looks at other processes
	settledFor  = 300 * time.Millisecond // that all must have followed the same leader
	accountsAll = 6                      // each has one client that pays from it
)

// fleet is four validators, each a process that the test starts, ends and freezes itself: nobody starts one again.
type fleet struct {
	t       *testing.T
	network *network.Network
	trust   *client.Trust
	started []string // the program that runs each validator
	running []*network.Process
	logs    []string
	logFrom []int64 // where the log of its last start begins
}

// newFleet makes a network in a new folder. Nothing runs before start.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	n, err := network.Create(filepath.Join(t.TempDir(), "net"), network.Options{Name: "faults", Nodes: fleetSize, Demo: true, Accounts: accountsAll})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, network: n, running: make([]*network.Process, fleetSize), logFrom: make([]int64, fleetSize)}
	if f.trust, err = n.Trust(); err != nil {
		t.Fatal(err)
	}
	for i := range fleetSize {
		f.started = append(f.started, program)
		f.logs = append(f.logs, filepath.Join(t.TempDir(), fmt.Sprintf("node%d.log", i)))
	}
	t.Cleanup(func() { f.end() })
	return f
}

// end ends what still runs, and shows the logs of a test that failed.
func (f *fleet) end() {
	for _, p := range f.running {
		if p != nil {
			thaw(p)
		}
	}
	_ = network.StopAll(f.running) // stop has looked at how they end
	if f.t.Failed() {
		for i, path := range f.logs {
			text, _ := os.ReadFile(path)
			f.t.Logf("log of node%d, its end:\n%s", i, text[max(0, len(text)-8<<10):])
		}
	}
}

// thaw lets a process go on that may be frozen: a frozen one cannot stop.
func thaw(p *network.Process) {
	select {
	case <-p.Ended(): // and its number may be another's
	default:
		_ = syscall.Kill(p.PID(), syscall.SIGCONT)
	}
}

// reconfigure changes a node's settings before it starts.
func (f *fleet) reconfigure(i int, change func(*config.Node)) {
	f.t.Helper()
	cfg, err := config.Load(f.dir(i))
	if err != nil {
		f.t.Fatal(err)
	}
	change(&cfg)
	if err := config.Replace(cfg.Dir, cfg); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) dir(i int) string { return f.network.Path(f.network.Nodes[i].Dir) }

// launch starts a validator without waiting for it to serve: alone it may not.
func (f *fleet) launch(i int) {
	f.t.Helper()
	log, err := os.OpenFile(f.logs[i], os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		f.t.Fatal(err)
	}
	defer log.Close()
	if f.logFrom[i], err = log.Seek(0, io.SeekEnd); err != nil {
		f.t.Fatal(err)
	}
	if f.running[i], err = f.network.Launch(i, f.started[i], log); err != nil {
		f.t.Fatal(err)
	}
}

// log is what a validator has logged since its last start.
func (f *fleet) log(i int) string {
	f.t.Helper()
	text, err := os.ReadFile(f.logs[i])
	if err != nil {
		f.t.Error(err)
		return ""
	}
	return string(text[f.logFrom[i]:])
}

// serve waits until launched validators serve.
func (f *fleet) serve(which ...int) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), startMax)
	defer cancel()
	var waits sync.WaitGroup
	errs := make([]error, len(which))
	for k, i := range which {
		waits.Go(func() { errs[k] = f.running[i].AwaitReady(ctx) })
	}
	waits.Wait()
	if err := errors.Join(errs...); err != nil {
		f.t.Fatal(err)
	}
}

// start starts validators at once and waits until all serve.
func (f *fleet) start(which ...int) {
	f.t.Helper()
	for _, i := range which {
		f.launch(i)
	}
	f.serve(which...)
}

func (f *fleet) startAll() { f.start(f.everybody()...) }

func (f *fleet) everybody() []int {
	all := make([]int, fleetSize)
	for i := range all {
		all[i] = i
	}
	return all
}

// others are all validators but some.
func (f *fleet) others(than ...int) []int {
	return slices.DeleteFunc(f.everybody(), func(i int) bool { return slices.Contains(than, i) })
}

// kill ends validators at once, as kill -9 does.
func (f *fleet) kill(which ...int) {
	f.t.Helper()
	for _, i := range which {
		f.signal(syscall.SIGKILL, i)
	}
	for _, i := range which {
		<-f.running[i].Ended()
	}
}

func (f *fleet) signal(s syscall.Signal, i int) {
	f.t.Helper()
	if err := syscall.Kill(f.running[i].PID(), s); err != nil {
		f.t.Fatal(err)
	}
}

// stop stops all validators and proves each one's folder from its own disk.
func (f *fleet) stop(paid int) {
	f.t.Helper()
	if err := network.StopAll(f.running); err != nil {
		f.t.Error(err)
	}
	f.running = make([]*network.Process, fleetSize)
	f.t.Run("verify", func(t *testing.T) {
		for i := range fleetSize {
			t.Run(f.network.Nodes[i].ID, func(t *testing.T) {
				t.Parallel()
				if report := verify(t, f.dir(i), true); int(report["legs"].(float64)) < paid {
					t.Errorf("%v transfers proved, %d acknowledged", report["legs"], paid)
				}
			})
		}
	})
}

// dial connects to one validator. Nothing is tried twice: what a client was told once is what the history takes.
func (f *fleet) dial(i int) *client.Client {
	f.t.Helper()
	cfg := f.access(i)
	c, err := client.Dial(f.t.Context(), cfg)
	if err != nil {
		f.t.Fatalf("dial node%d at %v: %v", i, cfg.Endpoints, err)
	}
	f.t.Cleanup(func() { _ = c.Close() }) // nothing is written
	return c
}

func (f *fleet) access(i int) client.Config {
	return client.Config{Endpoints: []string{f.network.Nodes[i].GRPC}, CAFile: f.network.Path(f.network.CA), Trust: f.trust, Timeout: callMax, RetriesMax: -1}
}

// statuses asks all validators at once; nil for one that does not answer soon.
func (f *fleet) statuses() []*client.Status {
	ctx, cancel := context.WithTimeout(f.t.Context(), askMax)
	defer cancel()
	all := make([]*client.Status, fleetSize)
	var asking sync.WaitGroup
	for i := range all {
		asking.Go(func() { all[i], _ = client.StatusOf(ctx, f.access(i), f.network.Nodes[i].GRPC) })
	}
	asking.Wait()
	return all
}

// settled waits until all validators have followed one leader for a moment, and returns the leader.
func (f *fleet) settled() (leader int) {
	f.t.Helper()
	var since time.Time
	term, all := uint64(0), f.statuses()
	for deadline := time.Now().Add(settleMax); time.Now().Before(deadline); all = f.statuses() {
		l := oneLeader(all)
		switch {
		case l == nil:
			since = time.Time{}
		case since.IsZero() || l.Term != term:
			since, term = time.Now(), l.Term
		case time.Since(since) > settledFor:
			return int(l.Validator)
		}
		<-time.After(lookAgain)
	}
	f.t.Fatalf("the validators do not all follow one leader within %s: %s", settleMax, describe(all))
	return 0
}

// oneLeader is the leader's own status, if all name it; else nil.
func oneLeader(all []*client.Status) (leader *client.Status) {
	for _, s := range all {
		if s == nil || !s.HasLeader || s.State != client.StateLeader && s.State != client.StateFollower {
			return nil
		}
		if s.State == client.StateLeader {
			leader = s
		}
	}
	for _, s := range all {
		if leader == nil || s.Leader != leader.Validator || s.Term != leader.Term {
			return nil
		}
	}
	return leader
}

// rest waits until all validators stand at the same height with the same state root.
func (f *fleet) rest() {
	f.t.Helper()
	all := f.statuses()
	for deadline := time.Now().Add(settleMax); time.Now().Before(deadline); all = f.statuses() {
		if !slices.ContainsFunc(all, func(s *client.Status) bool { return !sameLedger(s, all[0]) }) {
			return
		}
		<-time.After(lookAgain)
	}
	f.t.Fatalf("the validators do not rest at one height within %s: %s", settleMax, describe(all))
}

func sameLedger(a, b *client.Status) bool {
	return a != nil && b != nil && a.Height == b.Height && a.RootHeight == b.RootHeight && a.StateRoot == b.StateRoot && a.Legs == b.Legs
}

// describe says how each validator is, for a person.
func describe(all []*client.Status) string {
	var b strings.Builder
	for i, s := range all {
		if s == nil {
			fmt.Fprintf(&b, "\n  node%d does not answer", i)
			continue
		}
		fmt.Fprintf(&b, "\n  node%d: %s, term %d, leader %d (%t), height %d, decided %d, root %.8s at %d, halted %t %s",
			i, s.State, s.Term, s.Leader, s.HasLeader, s.Height, s.Decided, s.StateRoot, s.RootHeight, s.Halted, s.HaltedReason)
	}
	return b.String()
}
