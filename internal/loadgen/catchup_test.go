// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func soundCatchUp() CatchUpConfig {
	return CatchUpConfig{Blocks: 100, Rate: 2000, Legs: 20, Nodes: 4, Accounts: 1024, From: FromBoth, Baseline: time.Second}
}

func TestCatchUpValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*CatchUpConfig)
		names  string // what the refusal names; empty: it is sound
	}{
		{func(*CatchUpConfig) {}, ""},
		{func(c *CatchUpConfig) {
			c.Blocks, c.Nodes, c.Legs, c.Rate, c.From = 50_000, 16, 8192, 8192*2000, FromBlocks
		}, ""},
		{func(c *CatchUpConfig) { c.Blocks = 0 }, "--blocks"},
		{func(c *CatchUpConfig) { c.Blocks = 50_001 }, "--blocks"},
		{func(c *CatchUpConfig) { c.Nodes = 3 }, "--nodes"},
		{func(c *CatchUpConfig) { c.Nodes = 17 }, "--nodes"},
		{func(c *CatchUpConfig) { c.Legs = 0 }, "--legs"},
		{func(c *CatchUpConfig) { c.Legs = 8193 }, "--legs"},
		{func(c *CatchUpConfig) { c.Rate = 19 }, "--rate"},
		{func(c *CatchUpConfig) { c.Rate = 40_001 }, "--rate"},
		{func(c *CatchUpConfig) { c.Accounts = 1023 }, "--accounts"},
		{func(c *CatchUpConfig) { c.From = "" }, "--from"},
		{func(c *CatchUpConfig) { c.Baseline = time.Second - 1 }, "--baseline"},
		{func(c *CatchUpConfig) { c.Baseline = 5*time.Minute + 1 }, "--baseline"},
	} {
		cfg := soundCatchUp()
		c.change(&cfg)
		err := cfg.Validate()
		if c.names == "" && err != nil || c.names != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.names)) {
			t.Errorf("%+v: %v, must name %q", cfg, err, c.names)
		}
	}
	if _, err := RunCatchUp(t.Context(), CatchUpConfig{}, nil, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("a run without settings: %v", err)
	}
}

// TestTune: who is to fall beyond retention has peers that keep less than it misses; the settings stay valid, and no other changes.
func TestTune(t *testing.T) {
	for blocks, kept := range map[int]int64{1: 8 << 20, 10_000: 10_000 * 512 * 64 / 2, 50_000: 50_000 * 512 * 64 / 2} {
		cfg := CatchUpConfig{Blocks: blocks, Legs: 512}
		n, as := config.Default(), config.Default()
		if cfg.Tune(FromBlocks, &n); n.Commit != as.Commit {
			t.Errorf("from blocks: %+v", n.Commit)
		}
		cfg.Tune(FromCheckpoint, &n)
		if err := n.Validate(); err != nil || n.Commit.RetainBytes != kept {
			t.Errorf("%d blocks: %+v, %v", blocks, n.Commit, err)
		}
		n.Commit.RetainBytes, n.Commit.SegmentBytes = as.Commit.RetainBytes, as.Commit.SegmentBytes
		if n.Commit != as.Commit {
			t.Errorf("%d blocks: %+v", blocks, n.Commit)
		}
	}
	n := config.Default()
	CatchUpConfig{Blocks: 50_000, Legs: 8192}.Tune(FromCheckpoint, &n)
	if n.Commit.RetainBytes > config.Default().Commit.RetainBytes || n.Validate() != nil {
		t.Errorf("more is kept than by default: %+v", n.Commit)
	}
}

func TestCatchUpFailed(t *testing.T) {
	good := CatchUpFrom{RootsEqual: true, Conserved: true, Acks: 1, FoundOnFallen: 1}
	for _, c := range []struct {
		from   string
		change func(*CatchUpFrom)
		says   string
	}{
		{FromBlocks, func(*CatchUpFrom) {}, ""},
		{FromCheckpoint, func(f *CatchUpFrom) { f.StateTaken = true }, ""},
		{FromCheckpoint, func(*CatchUpFrom) {}, "no state was taken"},
		{FromBlocks, func(f *CatchUpFrom) { f.StateTaken = true }, "a peer's state was taken"},
		{FromBlocks, func(f *CatchUpFrom) { f.RootsEqual = false }, "differ"},
		{FromBlocks, func(f *CatchUpFrom) { f.Conserved = false }, "money"},
		{FromBlocks, func(f *CatchUpFrom) { f.LostAcks = 2 }, "2 acknowledged"},
		{FromBlocks, func(f *CatchUpFrom) { f.FoundOnFallen = 0 }, "no batch"},
		{FromBlocks, func(f *CatchUpFrom) { f.Acks = 0 }, "no batch"},
	} {
		f := good
		c.change(&f)
		r := CatchUpReport{From: map[string]*CatchUpFrom{c.from: &f}}
		if why := r.Failed(); (c.says == "") != (why == "") || !strings.Contains(why, c.says) {
			t.Errorf("%+v: %q, must say %q", f, why, c.says)
		}
	}
}

// at is a time, in seconds since some moment.
func at(s float64) time.Time { return time.UnixMilli(int64(math.Round(s * 1e3))) }

// TestMeasure: latencies count where a batch was due, what is kept where it came back, and real time is what the others needed.
func TestMeasure(t *testing.T) {
	load := &steady{legs: 10}
	for _, a := range []struct{ due, at float64 }{{0.5, 9}, {1, 1.010}, {2, 2.030}, {11, 11.050}, {31, 31.100}, {34, 34.300}, {35, 41}} {
		load.answers = append(load.answers, answered{due: at(a.due), at: at(a.at), ok: 10})
	}
	c := &catchUp{load: load, own: 100, fallen: 0, network: &Revivable{Target: Target{Nodes: []TargetNode{{ID: "node0"}}}},
		at: moments{begun: at(1), killed: at(10), started: at(30), back: at(35)}, report: &CatchUpFrom{BehindBlocks: 400}}
	c.measure()
	r := c.report
	if r.DownS != 20 || r.CatchUpS != 5 || r.TimesRealTime != 5 || r.BlocksPerS != 20 || r.FallenNode != "node0" {
		t.Errorf("%+v", r)
	}
	if f := r.FinalityMs; f.Before.P99 != 30 || f.Down.P99 != 50 || f.During.P99 != 300 || r.P99Ratio != 10 {
		t.Errorf("%+v, ratio %v", f, r.P99Ratio)
	}
	if r.Kept != 4 || r.Acks != 7 {
		t.Errorf("%+v", r)
	}
}

// TestIsBack: it must be near, one of the members, and have signed what the others made since.
func TestIsBack(t *testing.T) {
	c := &catchUp{}
	for _, x := range []struct {
		state        string
		height       chain.Height
		head, signed chain.Height
		back         bool
	}{
		{client.StateFollower, 984, 1000, 901, true},
		{client.StateLeader, 1000, 1000, 1000, true},
		{client.StateFollower, 983, 1000, 901, false},
		{client.StateFollower, 1000, 1000, 900, false},
		{client.StateCatchingUp, 1000, 1000, 1000, false},
		{client.StateStarting, 1000, 1000, 1000, false},
	} {
		if got := c.isBack(&client.Status{State: x.state, Height: x.height}, x.head, x.signed, 900); got != x.back {
			t.Errorf("%+v: %v", x, got)
		}
	}
}

// TestInTime gives up on blocks that come too slowly, and says what to ask for.
func TestInTime(t *testing.T) {
	c := &catchUp{cfg: CatchUpConfig{Blocks: 10_000}}
	for _, x := range []struct {
		behind int
		since  time.Duration
		fine   bool
	}{{0, time.Second, true}, {1000, 10 * time.Second, true}, {112, 10 * time.Second, true}, {100, 10 * time.Second, false}, {9999, behindMax, false}} {
		err := c.inTime(x.behind, x.since)
		if x.fine != (err == nil) || err != nil && (!fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "--legs")) {
			t.Errorf("%+v: %v", x, err)
		}
	}
	c.own, c.from = 7, FromBlocks
	if err := c.fit(true); !fault.Is(err, fault.Refused) || !strings.Contains(err.Error(), "height 8") {
		t.Error(err)
	}
	if c.fit(false) != nil {
		t.Error("what is still held is refused")
	}
}

// deadProcess is a process that has ended.
type deadProcess chan struct{}

// PID is none.
func (deadProcess) PID() int { return 0 }

// Ended is closed.
func (p deadProcess) Ended() <-chan struct{} { return p }

// TestEndedWhileItCatchesUp: a node that ends is not waited for.
func TestEndedWhileItCatchesUp(t *testing.T) {
	ended := make(deadProcess)
	close(ended)
	c := &catchUp{process: ended, report: &CatchUpFrom{}, at: moments{started: time.Now()}, network: &Revivable{Target: Target{Nodes: []TargetNode{{ID: "node3"}}}}, fallen: 0}
	if err := c.awaitBack(t.Context()); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "node3 ended") {
		t.Error(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if pause(gone, time.Hour) == nil {
		t.Error("a pause outlives its run")
	}
}
