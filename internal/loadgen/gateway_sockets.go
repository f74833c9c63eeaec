// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/subscribers"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Measurement of sockets.
const (
	headInterval = 500 * time.Millisecond // between two heads to one socket, as the dialect has it
	socketsRate  = 100                    // payments a second meanwhile, so that there are heads
	socketsWarm  = 2 * time.Second        // from the opening to the measurement
)

// sockets measures WebSockets at the last validator. Payments go to the first.
func (g *gatewayRun) sockets(ctx context.Context) error {
	n := len(g.target.Nodes) - 1
	s := &socketsRun{gatewayRun: g, node: g.target.Nodes[n], at: map[uint64]time.Time{}}
	r := &SocketsReport{Subscribers: g.cfg.Subscribers, Stalled: g.cfg.Stalled}
	g.report.Sockets = r
	before, err := s.memories(ctx)
	if err != nil {
		return err
	}
	g.say("opening %d WebSockets", r.Subscribers+r.Stalled)
	w, err := subscribers.Start(g.target.Subscribers(), subscribers.Config{Address: g.target.REST[n], Subscribers: r.Subscribers, Stalled: r.Stalled})
	if err != nil {
		return err
	}
	err = s.watch(ctx, w, r, n)
	if err == nil {
		var after []memory
		after, err = s.memories(ctx)
		grew := growth(before, after)
		count := float64(r.Subscribers + r.Stalled)
		r.KiBPerConnection, r.HeapKiB = grew.resident/count, grew.inUse/count
	}
	g.say("%d heads, p99 %.1f ms, %.1f KiB a connection", r.Heads, r.HeadP99Ms, r.KiBPerConnection)
	return errors.Join(err, w.Stop())
}

// socketsRun is the part of a run that measures sockets.
type socketsRun struct {
	*gatewayRun
	node TargetNode

	mu sync.Mutex
	at map[uint64]time.Time // guarded by mu; when a block was seen to be certified, by height
}

// watch loads the network a little, notes when blocks are certified, and collects what the sockets were sent.
func (s *socketsRun) watch(ctx context.Context, w *subscribers.Watcher, r *SocketsReport, n int) error {
	d, warm := s.scale.sockets, s.scale.socketsWarm
	following, stop := context.WithCancel(ctx)
	defer stop()
	group, loading := errgroup.WithContext(ctx)
	group.Go(func() error { return s.follow(following, n) })
	group.Go(func() error {
		defer stop()
		return s.payMeanwhile(loading, d+2*warm)
	})
	group.Go(func() error {
		if err := pause(loading, warm); err != nil {
			return err
		}
		cpu, err := cpuOf(s.node.PID)
		if err != nil {
			return err
		}
		frames, err := w.Watch(d)
		if err != nil {
			return err
		}
		after, err := cpuOf(s.node.PID)
		if err != nil {
			return err
		}
		r.CPUPercent = 100 * (after - cpu).Seconds() / d.Seconds()
		return s.judge(frames, r)
	})
	return group.Wait()
}

// follow notes when the node gives a block to those that follow it over gRPC, which is when it is certified there.
func (s *socketsRun) follow(ctx context.Context, n int) error {
	c, err := client.Dial(ctx, client.Config{Endpoints: s.target.Endpoints[n : n+1], CAFile: s.target.CAFile})
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.FollowBlocks(ctx, 0, func(b *client.Block) error {
		now := time.Now()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.at[uint64(b.Height)] = now
		return nil
	})
	if ctx.Err() != nil {
		return nil // it was told to stop
	}
	return err
}

func (s *socketsRun) payMeanwhile(ctx context.Context, d time.Duration) error {
	a := s.restArm("in_node", s.target.REST[0], nil, 0)
	defer a.close()
	var numbers counter
	load, err := pace(ctx, steps(socketsRate, d), numbers.requests(a), s.shown("WebSockets", 0, int(d.Seconds()*socketsRate)))
	if load != nil {
		s.note(load)
	}
	return err
}

// judge makes the report of the frames.
func (s *socketsRun) judge(frames *subscribers.Frames, r *SocketsReport) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var took []time.Duration
	for _, f := range frames.Frames {
		if d, ok := lateness(f, s.at); ok {
			took = append(took, d)
		}
	}
	if len(took) == 0 {
		return fault.New(fault.Unavailable, "no socket was sent two heads: %d frames came", len(frames.Frames))
	}
	slices.Sort(took)
	r.Heads, r.Closed = len(took), frames.Closed
	r.HeadP50Ms, r.HeadP99Ms, r.HeadMaxMs = milliseconds(quantile(took, 0.5)), milliseconds(quantile(took, 0.99)), milliseconds(took[len(took)-1])
	return nil
}

// lateness is how long after it could have been sent a head came: not before the first block that is newer than the one sent before
// was certified, and not before headInterval after that one came.
func lateness(f subscribers.Frame, certified map[uint64]time.Time) (time.Duration, bool) {
	before, since := f.Before()
	_, came := f.Came()
	newer, ok := certified[before+1]
	if !ok {
		return 0, false
	}
	due := since.Add(headInterval)
	if newer.After(due) {
		due = newer
	}
	return max(0, came.Sub(due)), true
}

// memory is what a process holds, in KiB.
type memory struct{ resident, inUse float64 }

// growth is by how much more the last validator grew than those between it and the first: the load alone makes all of them grow.
func growth(before, after []memory) memory {
	n := len(before) - 1
	if len(after) != len(before) {
		return memory{}
	}
	g := memory{after[n].resident - before[n].resident, after[n].inUse - before[n].inUse}
	for i := 1; i < n; i++ {
		g.resident -= (after[i].resident - before[i].resident) / float64(n-1)
		g.inUse -= (after[i].inUse - before[i].inUse) / float64(n-1)
	}
	return g
}

// memories reads what each validator holds.
func (s *socketsRun) memories(ctx context.Context) ([]memory, error) {
	var all []memory
	for _, node := range s.target.Nodes {
		m, err := memoryOf(ctx, node)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// memoryOf reads it from /proc, and from the node's own metrics.
func memoryOf(ctx context.Context, node TargetNode) (m memory, err error) {
	m.resident = float64(procField(fmt.Sprintf("/proc/%d/status", node.PID), "VmRSS:"))
	families, err := obs.Scrape(ctx, node.Metrics)
	if err != nil {
		return m, err
	}
	for _, name := range []string{"go_memstats_heap_inuse_bytes", "go_memstats_stack_inuse_bytes"} {
		if f := families[name]; f != nil && len(f.Metric) == 1 {
			m.inUse += f.Metric[0].GetGauge().GetValue() / 1024
		}
	}
	return m, nil
}
