// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
)

// oneNode is a node in this process. It ends cleanly where a process would be killed.
type oneNode struct {
	dir    string
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // after ended
}

// PID is this process's.
func (n *oneNode) PID() int { return os.Getpid() }

// Ended is closed when the node has ended.
func (n *oneNode) Ended() <-chan struct{} { return n.ended }

func (n *oneNode) stop() error {
	n.cancel()
	<-n.ended
	return n.err
}

// run opens the node's folder, as often as it says so, until it is told to stop.
func (n *oneNode) run(ctx context.Context, opened func(*node.Node)) {
	defer close(n.ended)
	for {
		settings, err := config.Load(n.dir)
		if err != nil {
			n.err = err
			return
		}
		nd, err := node.Open(context.Background(), settings, slog.New(slog.DiscardHandler))
		if err != nil {
			n.err = err
			return
		}
		opened(nd)
		err = nd.Run(ctx)
		if n.err = nd.Close(); !errors.Is(err, node.ErrRestart) {
			n.err = errors.Join(n.err, err)
			return
		}
	}
}

func startOne(dir string, opened func(*node.Node)) *oneNode {
	ctx, cancel := context.WithCancel(context.Background())
	n := &oneNode{dir: dir, cancel: cancel, ended: make(chan struct{})}
	go n.run(ctx, opened)
	return n
}

// revivable runs a network in this process, each node of which can be stopped and started again.
func revivable(t *testing.T, cfg CatchUpConfig, from string) *Revivable {
	t.Helper()
	n, err := network.Create(filepath.Join(t.TempDir(), "network"), network.Options{Name: "bench", Nodes: cfg.Nodes})
	must(t, err)
	r := &Revivable{Target: Target{CAFile: n.Path(n.CA), Institution: chain.InstitutionNo(n.Institution.ID)}}
	r.Trust, err = n.Trust()
	must(t, err)
	r.Signer, err = client.ReadKeyFile(n.Path(n.Institution.KeyFile), nil)
	must(t, err)
	var nodes []*oneNode
	opened := make(chan *node.Node, cfg.Nodes)
	for _, one := range n.Nodes {
		settings, err := config.Load(n.Path(one.Dir))
		must(t, err)
		settings.Commit.CheckpointInterval = 200 * time.Millisecond
		cfg.Tune(from, &settings)
		must(t, config.Replace(settings.Dir, settings))
		nodes = append(nodes, startOne(settings.Dir, func(nd *node.Node) { opened <- nd }))
		r.Endpoints = append(r.Endpoints, settings.GRPC)
		r.Nodes = append(r.Nodes, TargetNode{ID: one.ID, PID: os.Getpid(), Dir: settings.Dir})
	}
	for range nodes {
		select {
		case <-(<-opened).Ready():
		case <-time.After(20 * time.Second):
			t.Fatal("a node does not serve")
		}
	}
	r.Kill = func(i int) error { return nodes[i].stop() }
	r.Start = func(i int) (Process, error) {
		nodes[i] = startOne(nodes[i].dir, func(*node.Node) {})
		return nodes[i], nil
	}
	r.Stop = func() error {
		errs := make([]error, len(nodes))
		for i, one := range nodes {
			errs[i] = one.stop()
		}
		return errors.Join(errs...)
	}
	return r
}

// seen is what a run told of its progress.
type seen struct {
	bytes.Buffer
	stages map[string]bool
}

// Show notes a stage.
func (s *seen) Show(stage string, _, total int64) { s.stages[stage] = s.stages[stage] || total > 0 }

// TestRunCatchUp lets a node fall behind and come back, in this process.
func TestRunCatchUp(t *testing.T) {
	if testing.Short() {
		t.Skip("runs nodes for some seconds")
	}
	cfg := soundCatchUp()
	cfg.From = FromBlocks
	told := &seen{stages: map[string]bool{}}
	r, err := RunCatchUp(t.Context(), cfg, func(_ context.Context, from string) (*Revivable, error) { return revivable(t, cfg, from), nil }, told)
	if err != nil {
		t.Fatalf("%v\n%s", err, told)
	}
	f := r.From[FromBlocks]
	if why := r.Failed(); why != "" || f.BehindBlocks < cfg.Blocks || f.TimesRealTime <= 1 || f.LostAcks != 0 || f.Kept <= 0 || len(f.Nodes) != 4 {
		t.Errorf("%q, %+v", why, f)
	}
	if id := f.FallenNode; len(told.stages) != 2 || !told.stages[id+" is dead"] || !told.stages[id+" catches up"] {
		t.Errorf("%v\n%s", told.stages, told)
	}
}
