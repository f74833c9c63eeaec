// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/order"
	"github.com/aurigraph/aurigraph/internal/order/ordertest"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// network joins engines in memory. Frames between two nodes stay in order, as in a stream; any may be lost.
type network struct {
	links map[[2]int]*link

	mu      sync.Mutex
	engines []*Engine // guarded by mu; nil: down
	group   []int     // guarded by mu; frames pass inside a group
	loss    float64   // guarded by mu
	delay   time.Duration
	rand    *rand.Rand
}

type link struct{ frames chan delayed }

type delayed struct {
	due   time.Time
	frame []byte
}

// newNetwork ends with ctx.
func newNetwork(ctx context.Context, size int) *network {
	n := &network{links: map[[2]int]*link{}, engines: make([]*Engine, size), group: make([]int, size), rand: rand.New(rand.NewPCG(1, 2))}
	for from := range size {
		for to := range size {
			if from != to {
				l := &link{frames: make(chan delayed, 4096)}
				n.links[[2]int{from, to}] = l
				go n.carry(ctx, l, from, to)
			}
		}
	}
	return n
}

func (n *network) carry(ctx context.Context, l *link, from, to int) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-l.frames:
			if wait := time.Until(d.due); wait > 0 {
				<-time.After(wait)
			}
			n.mu.Lock()
			e := n.engines[to]
			if n.group[from] != n.group[to] {
				e = nil
			}
			n.mu.Unlock()
			if e != nil {
				_ = e.Receive(chain.ValidatorNo(from), d.frame) // dropped at the bound
			}
		}
	}
}

// side is the network as one node sees it.
type side struct {
	*network
	self int
}

func (s side) Send(to chain.ValidatorNo, frame []byte) {
	s.mu.Lock()
	lost := s.group[s.self] != s.group[to] || s.rand.Float64() < s.loss
	due := time.Now()
	if s.delay > 0 {
		due = due.Add(time.Duration(s.rand.Int64N(int64(s.delay))))
	}
	s.mu.Unlock()
	if lost {
		return
	}
	select {
	case s.links[[2]int{s.self, int(to)}].frames <- delayed{due, frame}:
	default:
	}
}

func (n *network) part(groups ...[]int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.group)
	for g, members := range groups {
		for _, i := range members {
			n.group[i] = g
		}
	}
}

func (n *network) weather(loss float64, delay time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss, n.delay = loss, delay
}

// leader is the leader of the highest term.
func (n *network) leader() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	leader, term := -1, uint64(0)
	for i, e := range n.engines {
		if e == nil {
			continue
		}
		if s := e.Status(); s.Role == "leader" && s.Term > term {
			leader, term = i, s.Term
		}
	}
	return leader
}

func (n *network) set(i int, e *Engine) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.engines[i] = e
}

func voters(size int) (list []chain.ValidatorNo) {
	for v := range size {
		list = append(list, chain.ValidatorNo(v))
	}
	return list
}

// machine is a node's disk.
type machine struct {
	fs  disk.FS
	dir string
	log *seglog.Log
}

// cluster is a network whose disks are made by fsOf.
func cluster(t *testing.T, size int, fsOf func(node int) (disk.FS, string), tune func(*Config)) ordertest.Cluster {
	net := newNetwork(t.Context(), size)
	machines := make([]*machine, size)
	for i := range machines {
		fs, dir := fsOf(i)
		machines[i] = &machine{fs: fs, dir: dir}
	}
	t.Cleanup(func() { // of a test that gave up
		for _, m := range machines {
			if m.log != nil {
				_ = m.log.Close()
			}
		}
	})
	return ordertest.Cluster{
		Size: size,
		Open: func(t *testing.T, i int, s ordertest.Settings) order.Engine {
			t.Helper()
			m := machines[i]
			m.log = openLog(t, m.fs, m.dir)
			cfg := Config{
				Self: chain.ValidatorNo(i), Genesis: Genesis{Voters: voters(size)}, Peers: side{net, i},
				WindowMax: s.WindowMax, PendingMax: s.PendingMax, Now: s.Now, Logger: quiet(t),
			}
			if tune != nil {
				tune(&cfg)
			}
			e, err := Open(context.Background(), m.log, s.From, cfg)
			if err != nil {
				t.Fatalf("node %d: %v", i, err)
			}
			net.set(i, e)
			return e
		},
		Close: func(t *testing.T, i int) {
			t.Helper()
			net.set(i, nil)
			if err := machines[i].log.Close(); err != nil {
				t.Error(err)
			}
		},
		Crash: func(t *testing.T, i int) {
			t.Helper()
			net.set(i, nil)
			m := machines[i]
			if fs, ok := m.fs.(*faultfs.FS); ok {
				m.fs = fs.Crash(uint64(fs.Ops()))
			}
			if err := m.log.Close(); err != nil && !errors.Is(err, faultfs.ErrCrashed) {
				t.Error(err)
			}
		},
		Writes:  func(i int) int { return int(machines[i].log.NextSeq()) },
		Leader:  net.leader,
		Part:    net.part,
		Weather: net.weather,
	}
}

// quiet fails the test where the engine would warn of an error.
func quiet(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelError}))
}

type testWriter struct{ testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.Errorf("%s", b)
	return len(b), nil
}

func TestClusters(t *testing.T) {
	for _, size := range []int{1, 3, 4, 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			ordertest.RunCluster(t, func(t *testing.T) ordertest.Cluster {
				return cluster(t, size, func(int) (disk.FS, string) { return faultfs.New(), "/order" }, nil)
			})
		})
	}
}

// discard takes the warnings of tests that break things on purpose.
var discard = slog.New(slog.DiscardHandler)

// TestClusterOnDisk runs the suite over real files.
func TestClusterOnDisk(t *testing.T) {
	ordertest.RunCluster(t, func(t *testing.T) ordertest.Cluster {
		dir := testkit.DiskDir(t)
		return cluster(t, 3, func(i int) (disk.FS, string) { return disk.OS(), filepath.Join(dir, fmt.Sprint(i)) }, nil)
	})
}
