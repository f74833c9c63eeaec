// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/order/ordertest"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

// TestSnapshotByReference leaves a node behind until the others' logs have forgotten what it needs. Its host fetches a
// state, at first in vain, and goes on above it.
func TestSnapshotByReference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hosts [3]*host
		var asked []SnapshotRef
		c := cluster(t, 3, inMemory, func(cfg *Config) {
			cfg.SnapshotRef = func(h chain.Height) []byte { return fmt.Append(nil, "state ", h) }
			cfg.FetchSnapshot = func(_ context.Context, ref SnapshotRef) (chain.Height, error) {
				asked = append(asked, ref)
				if len(asked) == 1 {
					return 0, fault.New(fault.Unavailable, "nobody has it now")
				}
				return ref.Height + 2, nil
			}
		})
		for i := range hosts {
			hosts[i] = bring(t, c, i, 0)
		}
		order := func(first, n int) {
			for k := range n {
				if err := hosts[k%2].Offer(digest(first + k)); err != nil {
					t.Fatal(err)
				}
				<-time.After(5 * time.Millisecond)
			}
			await(t, "decided", func() bool {
				return hosts[0].height() == hosts[1].height() && hosts[0].Status().Pending+hosts[1].Status().Pending == 0
			})
		}
		order(0, 10)
		await(t, "the node has all", func() bool { return hosts[2].height() == hosts[0].height() })
		hosts[2].halt(t)
		c.Close(t, 2)
		order(100, 200)
		segments := len(hosts[0].log.Segments())
		for i := range 2 {
			for range 2 { // what becomes free goes at the next call
				if err := hosts[i].Trim(hosts[i].height() - 5); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Second)
			}
		}
		if now := len(hosts[0].log.Segments()); now >= segments || now > 3 {
			t.Errorf("%d of %d segments are kept", now, segments)
		}
		before := hosts[2]
		hosts[2] = bring(t, c, 2, before.height())
		order(400, 10)
		await(t, "the node catches up", func() bool { return hosts[2].height() == hosts[0].height() })
		ref := asked[len(asked)-1]
		if len(asked) < 2 || string(ref.Ref) != fmt.Sprint("state ", ref.Height) || int(ref.From) == 2 {
			t.Errorf("asked for %+v", asked)
		}
		if first := hosts[2].decided[0].Height; first != ref.Height+3 {
			t.Errorf("the state was of height %d, the first decision was height %d", ref.Height+2, first)
		}
		// What the state covered is settled by the host's word only.
		if err := hosts[2].Offer(digest(150)); err != nil {
			t.Fatal(err)
		}
		hosts[2].Withdraw(digest(150), digest(9999))
		await(t, "nothing waits", func() bool { return hosts[2].Status().Pending == 0 && hosts[2].owed.Load() == 0 })
		for i, h := range hosts {
			h.halt(t)
			c.Close(t, i)
		}
		agree(t, append(hosts[:], before)...)

		// The log that begins behind the snapshot opens again, at its state and not below.
		again := bring(t, c, 2, hosts[2].height())
		if again.ReplayedTo() < hosts[2].height() {
			t.Errorf("the log ends at %d", again.ReplayedTo())
		}
		again.halt(t)
		log := again.log
		if _, err := Open(t.Context(), log, 5, again.cfg); !fault.Is(err, fault.Corrupt) {
			t.Errorf("a log without the heights above the state opens: %v", err)
		}
		if _, err := Open(t.Context(), log, 5000, again.cfg); !fault.Is(err, fault.Corrupt) {
			t.Errorf("a log that ends below the state opens: %v", err)
		}
		fetched := again.cfg
		fetched.Fetched = 5000
		if _, err := Open(t.Context(), log, 5000, fetched); err != nil {
			t.Errorf("below a fetched state the log does not open: %v", err)
		}
		c.Close(t, 2)
	})
}

func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

func TestUnorderedIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		type report struct {
			digest chain.Hash
			since  time.Duration
		}
		var reports []report
		c := cluster(t, 3, inMemory, func(cfg *Config) {
			if cfg.Self == 0 {
				cfg.Metrics = registry
				cfg.OnUnordered = func(d chain.Hash, since time.Duration) { reports = append(reports, report{d, since}) }
			}
		})
		var hosts [3]*host
		for i := range hosts {
			hosts[i] = bring(t, c, i, 0)
		}
		await(t, "a leader", func() bool { return c.Leader() >= 0 })
		if err := hosts[0].Offer(digest(1)); err != nil {
			t.Fatal(err)
		}
		await(t, "decided", func() bool { return hosts[0].Status().Pending == 0 })
		<-time.After(5 * time.Second)
		c.Part([]int{0}, []int{1, 2})
		for k := range 3 {
			if err := hosts[0].Offer(digest(2 + k)); err != nil {
				t.Fatal(err)
			}
			<-time.After(100 * time.Millisecond)
		}
		<-time.After(10 * time.Second)
		if len(reports) != 3 || reports[0].digest != digest(2) || reports[2].digest != digest(4) {
			t.Errorf("reported were %v", reports)
		}
		for _, r := range reports {
			if r.since < time.Second || r.since > 1100*time.Millisecond {
				t.Errorf("%v was reported after %v", r.digest, r.since)
			}
		}
		if n := counted(t, hosts[0].metrics.unordered); n != 3 {
			t.Errorf("%v were counted", n)
		}
		c.Part()
		await(t, "decided in the end", func() bool { return hosts[0].Status().Pending == 0 })
		if all, err := registry.Gather(); err != nil || len(all) < 4 {
			t.Errorf("metrics are %v, %v", all, err)
		}
		for i, h := range hosts {
			h.halt(t)
			c.Close(t, i)
		}
		if left, err := registry.Gather(); err != nil || len(left) != 0 {
			t.Errorf("%v are left behind, %v", left, err)
		}
	})
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cluster(t, 3, inMemory, nil)
		var hosts [3]*host
		for i := range hosts {
			hosts[i] = bring(t, c, i, 0)
		}
		if s := hosts[1].Status(); s.Role != "follower" || s.HasLeader || s.WindowMax != 16 {
			t.Errorf("before anybody leads: %+v", s)
		}
		await(t, "a leader", func() bool { return c.Leader() >= 0 })
		leader := c.Leader()
		gone, other := (leader+1)%3, (leader+2)%3
		<-time.After(time.Second)
		c.Part([]int{leader, other}, []int{gone})
		for k := range 5 {
			if err := hosts[other].Offer(digest(k)); err != nil {
				t.Fatal(err)
			}
			<-time.After(20 * time.Millisecond)
		}
		<-time.After(time.Second)
		s := hosts[leader].Status()
		if s.Role != "leader" || int(s.Leader) != leader || s.Height != 5 || s.Delivered != 5 || s.Tail != 5 || s.Window != 0 || len(s.Peers) != 2 {
			t.Errorf("the leader: %+v", s)
		}
		for _, p := range s.Peers {
			lost := int(p.Validator) == gone
			if lost != (p.LagHeights == 5) || lost == (p.Height == 5) || p.Active == lost || p.NeedsState {
				t.Errorf("peer %+v, node %d is away", p, gone)
			}
		}
		if s := hosts[other].Status(); s.Role != "follower" || int(s.Leader) != leader || s.Height != 5 || s.Peers != nil {
			t.Errorf("a follower: %+v", s)
		}
		if s := hosts[gone].Status(); s.Role != "candidate" || s.Height != 0 {
			t.Errorf("the lost one: %+v", s)
		}
		for i, h := range hosts {
			h.halt(t)
			c.Close(t, i)
		}
	})
}

func TestReceiveIsBounded(t *testing.T) {
	log := openLog(t, faultfs.New(), "/order")
	defer log.Close()
	e, err := Open(t.Context(), log, 0, Config{Self: 1, Genesis: Genesis{Voters: voters(3)}, Peers: side{}, InboxMax: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Receive(0, []byte{9, 9}); !fault.Is(err, fault.Invalid) {
		t.Errorf("no frame is answered %v", err)
	}
	frame := AppendFrame(nil, Message{Forward: &Forward{}})
	for range 3 {
		if err := e.Receive(0, frame); err != nil {
			t.Error(err)
		}
	}
	if err := e.Receive(0, frame); !fault.Is(err, fault.TryLater) {
		t.Errorf("one too many is answered %v", err)
	}
	if err := e.Receive(3, frame); !fault.Is(err, fault.Denied) {
		t.Errorf("a stranger is answered %v", err)
	}
	large := AppendFrame(nil, Message{Raft: &pb.Message{Context: make([]byte, FrameBytesMax-100)}})
	taken := 0
	for e.Receive(2, large) == nil { // another peer has bounds of its own
		taken++
	}
	if taken > inboxBytesMax/len(large) || taken == 0 {
		t.Errorf("%d large frames wait", taken)
	}
	for word, want := range map[string]float64{"malformed": 1, "unknown_sender": 1} {
		if n := counted(t, e.metrics.refused.WithLabelValues(word)); n != want {
			t.Errorf("%v %s were counted", n, word)
		}
	}
	if n := counted(t, e.metrics.dropped); n != 2 {
		t.Errorf("%v dropped were counted", n)
	}
	if n := len(e.box.take()); n != 3+taken {
		t.Errorf("%d frames wait", n)
	}
	if err := e.Receive(0, frame); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesConfig(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"nobody", Config{}},
		{"a number that is too high", Config{Genesis: Genesis{Voters: []chain.ValidatorNo{0, chain.ValidatorsMax}}, Peers: side{}}},
		{"one twice", Config{Genesis: Genesis{Voters: []chain.ValidatorNo{0, 0}}, Peers: side{}}},
		{"not a member", Config{Self: 3, Genesis: Genesis{Voters: voters(3)}, Peers: side{}}},
		{"no way to the peers", Config{Genesis: Genesis{Voters: voters(3)}}},
		{"too many", Config{Genesis: Genesis{Voters: voters(chain.ValidatorsMax + 1)}, Peers: side{}}},
		{"proposals too large", Config{Genesis: Genesis{Voters: voters(1)}, EntriesMax: chain.EntriesPerBlockMax + 1}},
		{"an election that is over before a heartbeat", Config{Genesis: Genesis{Voters: voters(1)}, HeartbeatTicks: 30}},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := openLog(t, faultfs.New(), "/order")
			defer log.Close()
			if _, err := Open(t.Context(), log, 0, c.cfg); !fault.Is(err, fault.Invalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cluster(t, 1, inMemory, nil)
		h := bring(t, c, 0, 0)
		for k := range 5 {
			if err := h.Offer(digest(k)); err != nil {
				t.Fatal(err)
			}
			await(t, "decided", func() bool { return h.height() == chain.Height(k+1) })
		}
		h.halt(t)
		c.Close(t, 0)
		e := c.Open(t, 0, ordertest.Settings{From: 2}).(*Engine)
		// Of the last height the log does not know that it is decided: the lane offers it, and it is decided once.
		if seen := e.Replayed(); len(seen) != 2 || !seen[digest(2)] || !seen[digest(3)] || e.ReplayedTo() != 5 {
			t.Errorf("replayed to %d are %v", e.ReplayedTo(), seen)
		}
		c.Close(t, 0)
		h = bring(t, c, 0, 2)
		if err := h.Offer(digest(4)); err != nil {
			t.Fatal(err)
		}
		await(t, "decided again", func() bool { return h.height() == 5 })
		<-time.After(time.Second)
		if h.height() != 5 || h.Status().Pending != 0 || h.owed.Load() != 0 {
			t.Errorf("%+v", h.Status())
		}
		h.halt(t)
		c.Close(t, 0)
	})
}

func TestMetricsOfTwoEnginesClash(t *testing.T) {
	registry := prometheus.NewRegistry()
	log := openLog(t, faultfs.New(), "/order")
	defer log.Close()
	cfg := Config{Genesis: Genesis{Voters: voters(1)}, Metrics: registry}
	e, err := Open(t.Context(), log, 0, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), log, 0, cfg); !fault.Is(err, fault.Invalid) {
		t.Errorf("a second one is answered %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Run(ctx); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), log, 0, cfg); err != nil {
		t.Errorf("after the first one it is answered %v", err)
	}
}

// TestStuckFollowerReadsFromTheLeadersDisk lets a node be away for longer than the leader's memory reaches.
func TestStuckFollowerReadsFromTheLeadersDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cluster(t, 3, inMemory, func(cfg *Config) { cfg.PendingMax = 1 << 20 })
		var hosts [3]*host
		for i := range hosts {
			hosts[i] = bring(t, c, i, 0)
			hosts[i].Engine.mu.Lock()
			hosts[i].core.storage.bytesMax = 20 << 10
			hosts[i].Engine.mu.Unlock()
		}
		await(t, "a leader", func() bool { return c.Leader() >= 0 })
		leader := c.Leader()
		away := (leader + 1) % 3
		var rest []int
		for i := range hosts {
			if i != away {
				rest = append(rest, i)
			}
		}
		c.Part([]int{away}, rest)
		for k := range 60 * 100 {
			if err := hosts[leader].Offer(digest(k)); err != nil {
				t.Fatal(err)
			}
		}
		await(t, "decided by two", func() bool { return hosts[leader].owed.Load() == 0 })
		c.Part()
		await(t, "decided by all", func() bool { return hosts[away].height() == hosts[leader].height() })
		if h := hosts[leader].height(); h < 100 {
			t.Errorf("all is decided at height %d", h)
		}
		for i, h := range hosts {
			h.halt(t)
			c.Close(t, i)
		}
		agree(t, hosts[:]...)
	})
}
