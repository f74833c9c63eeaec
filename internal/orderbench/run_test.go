// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// TestRun measures real processes. The figures depend on the machine; how they hang together does not.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes for seconds")
	}
	for name, cfg := range map[string]Config{
		"four nodes":    {Engine: EngineRaft, Nodes: 4, Window: 16, Fsync: true},
		"nothing lasts": {Engine: EngineRaft, Nodes: 3, Window: 1},
		"at a rate":     {Engine: EngineRaft, Nodes: 3, Window: 8, Fsync: true, Rate: 100},
		"alone":         {Engine: EngineSolo, Nodes: 1, Window: 4, Fsync: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Dir, cfg.Duration = testkit.DiskDir(t), time.Second
			cfg.Profiles = t.TempDir()
			r, err := Run(t.Context(), cfg, memberCommand, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", *r)
			checkReport(t, cfg, r)
			profiles, err := filepath.Glob(filepath.Join(cfg.Profiles, "*.pprof"))
			if err != nil || len(profiles) != cfg.Nodes {
				t.Errorf("%d profiles of %d members: %v", len(profiles), cfg.Nodes, err)
			}
		})
	}
}

func checkReport(t *testing.T, cfg Config, r *Report) {
	t.Helper()
	if why := r.Failed(); why != "" {
		t.Error(why)
	}
	if r.DurationS < 1 || r.RoundsPerS < 1 || r.DigestsPerRound < 1 {
		t.Errorf("%d rounds of %.2f digests in %.2f s: %.2f/s", r.Rounds, r.DigestsPerRound, r.DurationS, r.RoundsPerS)
	}
	if cfg.Engine == EngineRaft && r.DigestsPerRound > 1.01 { // a digest may be decided again when a leader changes
		t.Errorf("%.2f digests a round", r.DigestsPerRound)
	}
	if p := r.DecidedMs; p.P50 <= 0 || p.P99 < p.P50 || p.P999 < p.P99 {
		t.Errorf("percentiles %+v", p)
	}
	if r.CPUUsPerRoundPerNode <= 0 || r.LeaderCPUUsPerRound <= 0 {
		t.Errorf("%.1f us a round, %.1f in the leader", r.CPUUsPerRoundPerNode, r.LeaderCPUUsPerRound)
	}
	if cfg.Fsync != (r.SyncsPerRound > 0) || cfg.Fsync != (r.LeaderSyncsPerRound > 0) {
		t.Errorf("%.2f syncs a round, %.2f in the leader", r.SyncsPerRound, r.LeaderSyncsPerRound)
	}
	// Rate by mean time is what was on its way (Little's law), and a median is at most twice the mean.
	if onTheWay := r.RoundsPerS * r.DigestsPerRound * r.DecidedMs.P50 / 1000; cfg.Rate == 0 && onTheWay > 2.1*float64(cfg.Window) {
		t.Errorf("%.1f digests on their way, at most %d were allowed", onTheWay, cfg.Window)
	}
	if cfg.Rate > 0 && (r.RoundsPerS < 0.5*float64(cfg.Rate) || r.RoundsPerS > 1.5*float64(cfg.Rate)) {
		t.Errorf("%.1f rounds/s of %d", r.RoundsPerS, cfg.Rate)
	}
}

// TestRunSaysWhoFailed kills a member while the bench works.
func TestRunSaysWhoFailed(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes for seconds")
	}
	t.Parallel()
	var started []*exec.Cmd
	command := func() *exec.Cmd {
		started = append(started, memberCommand())
		return started[len(started)-1]
	}
	var kill watcher = func(stage string) {
		if strings.HasPrefix(stage, "warming up") {
			if err := started[1].Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	cfg := Config{Engine: EngineRaft, Nodes: 3, Window: 4, Duration: time.Second, Dir: testkit.DiskDir(t)}
	_, err := Run(t.Context(), cfg, command, kill)
	if err == nil || !strings.Contains(err.Error(), "node 1 ended early: signal: killed") {
		t.Errorf("said %v", err)
	}
	checkEnded(t, started)
}

// TestRunIsInterrupted ends the context in the middle: no process is left, and those that were well ended well.
func TestRunIsInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes for seconds")
	}
	t.Parallel()
	var started []*exec.Cmd
	command := func() *exec.Cmd {
		started = append(started, memberCommand())
		return started[len(started)-1]
	}
	ctx, cancel := context.WithCancel(t.Context())
	var end watcher = func(stage string) {
		if strings.HasPrefix(stage, "measuring") {
			cancel()
		}
	}
	cfg := Config{Engine: EngineRaft, Nodes: 3, Window: 4, Duration: time.Minute, Dir: testkit.DiskDir(t)}
	if _, err := Run(ctx, cfg, command, end); err == nil || err.Error() != context.Canceled.Error() {
		t.Errorf("said %v", err)
	}
	checkEnded(t, started)
}

func checkEnded(t *testing.T, started []*exec.Cmd) {
	t.Helper()
	if len(started) != 3 {
		t.Errorf("%d processes were started", len(started))
	}
	for i, cmd := range started {
		if cmd.ProcessState == nil || cmd.Process.Signal(syscall.Signal(0)) == nil {
			t.Errorf("node %d is left", i)
		}
	}
}

// watcher is told the stages of a run.
type watcher func(stage string)

// Write implements io.Writer.
func (w watcher) Write(b []byte) (int, error) {
	w(string(b))
	return len(b), nil
}

func TestRunNeedsAProgram(t *testing.T) {
	cfg := Config{Engine: EngineRaft, Nodes: 2, Window: 1, Duration: time.Second, Dir: t.TempDir()}
	if _, err := Run(t.Context(), cfg, func() *exec.Cmd { return exec.Command(filepath.Join(cfg.Dir, "none")) }, io.Discard); !fault.Is(err, fault.Unavailable) {
		t.Errorf("said %v", err)
	}
	talk := func() *exec.Cmd { return exec.Command("echo", "hello") }
	if _, err := Run(t.Context(), cfg, talk, io.Discard); err == nil {
		t.Error("a program that is no member served")
	}
	cfg.Dir = filepath.Join(cfg.Dir, "file")
	if err := os.WriteFile(cfg.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), cfg, memberCommand, io.Discard); !fault.Is(err, fault.Unavailable) {
		t.Errorf("in a file: %v", err)
	}
}

func TestTail(t *testing.T) {
	var said tail
	if got := said.lines(); got != "" {
		t.Errorf("nothing became %q", got)
	}
	for range 3 {
		if n, err := said.Write(bytes.Repeat([]byte("x"), saidBytesMax/2+1)); n != saidBytesMax/2+1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := said.Write([]byte("why\n")); err != nil {
		t.Fatal(err)
	}
	if got := said.lines(); !strings.HasSuffix(got, "why") || len(said.text) != saidBytesMax {
		t.Errorf("%d bytes are kept, and end with %q", len(said.text), got[len(got)-10:])
	}
}

func TestValidate(t *testing.T) {
	good := Config{Engine: EngineRaft, Nodes: 4, Window: 16, Duration: time.Second}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for word, change := range map[string]func(c *Config){
		"--engine":   func(c *Config) { c.Engine = "paxos" },
		"alone":      func(c *Config) { c.Engine = EngineSolo },
		"--nodes":    func(c *Config) { c.Nodes = nodesMax + 1 },
		"--window":   func(c *Config) { c.Window = 0 },
		"--rate":     func(c *Config) { c.Rate = -1 },
		"--duration": func(c *Config) { c.Duration = time.Millisecond },
	} {
		c := good
		change(&c)
		if err := c.Validate(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
}
