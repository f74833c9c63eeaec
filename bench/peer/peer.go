// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/aurigraph/aurigraph/bench/process"
)

// Peer is one system in one variant.
type Peer interface {
	// Start brings it up in an empty folder, ready for load.
	Start(ctx context.Context, dir string) error
	// Load keeps the system busy until ctx ends, which is no error, and tells tally of each answer.
	Load(ctx context.Context, tally *Tally) error
	// PIDs are the first processes of its servers.
	PIDs() []int
	// Commands are what was run, as one would type it.
	Commands() []string
	// Stop ends whatever Start began, also after a Start that failed.
	Stop() error
}

// Sample is what one measurement saw.
type Sample struct {
	TransfersPerS        float64        `json:"transfers_per_s"`
	P50Ms                float64        `json:"p50_ms"`
	P99Ms                float64        `json:"p99_ms"`
	CPUUsPerTransfer     float64        `json:"cpu_us_per_transfer"`      // all server processes
	LoadCPUUsPerTransfer float64        `json:"load_cpu_us_per_transfer"` // the load generator
	RSSMBTotal           float64        `json:"rss_mb_total"`             // all server processes
	Refused              map[string]int `json:"refused,omitempty"`        // transfers by reason; they do not count
}

// Window is how long to warm up and to measure.
type Window struct{ WarmUp, Measure time.Duration }

// Contender is what can be measured: a Peer under this package's load, or a system that brings its own.
type Contender interface {
	Measure(ctx context.Context, dir string, w Window) (Sample, []string, error)
}

// ClosedLoop is a Peer under this package's load.
type ClosedLoop struct{ Peer Peer }

// Measure starts the peer, loads it, and stops it.
func (c ClosedLoop) Measure(ctx context.Context, dir string, w Window) (s Sample, commands []string, err error) {
	defer func() { err = errors.Join(err, c.Peer.Stop()) }()
	if err := c.Peer.Start(ctx, dir); err != nil {
		return s, nil, err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	tally := NewTally()
	ended := make(chan error, 1)
	go func() { ended <- c.Peer.Load(loading, tally) }()
	s, err = c.window(ctx, tally, ended, w)
	stop()
	if err != nil {
		return s, nil, err
	}
	return s, c.Peer.Commands(), <-ended
}

// window measures while the load runs.
func (c ClosedLoop) window(ctx context.Context, tally *Tally, ended <-chan error, w Window) (Sample, error) {
	if err := pause(ctx, ended, w.WarmUp); err != nil {
		return Sample{}, err
	}
	before, err := process.UsageOf(c.Peer.PIDs()...)
	if err != nil {
		return Sample{}, err
	}
	own := ownCPU()
	tally.Open()
	if err := pause(ctx, ended, w.Measure); err != nil {
		return Sample{}, err
	}
	counted := tally.Close()
	own = ownCPU() - own
	after, err := process.UsageOf(c.Peer.PIDs()...)
	if err != nil {
		return Sample{}, err
	}
	if counted.Transfers == 0 {
		return Sample{}, fmt.Errorf("not one transfer was confirmed in %s; refused: %v", w.Measure, counted.Refused)
	}
	n := float64(counted.Transfers)
	return Sample{
		TransfersPerS:        n / counted.Elapsed.Seconds(),
		P50Ms:                counted.Percentile(0.50),
		P99Ms:                counted.Percentile(0.99),
		CPUUsPerTransfer:     float64((after.CPU - before.CPU).Microseconds()) / n,
		LoadCPUUsPerTransfer: float64(own.Microseconds()) / n,
		RSSMBTotal:           after.RSSMB,
		Refused:              counted.Refused,
	}, nil
}

// pause waits, unless the load ends first: that is an error even without one.
func pause(ctx context.Context, ended <-chan error, d time.Duration) error {
	select {
	case err := <-ended:
		return errors.Join(errors.New("the load ended before the measurement"), err)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// Until asks again and again whether a server is ready, for at most a minute.
func Until(ctx context.Context, p *process.Process, ready func() error) error {
	const every, most = 50 * time.Millisecond, time.Minute
	var err error
	for deadline := time.Now().Add(most); time.Now().Before(deadline); {
		if exited := p.Exited(); exited != nil {
			return exited
		}
		if err = ready(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
	return fmt.Errorf("%s is not ready after %s: %w", p.Line(), most, err)
}

// Folder makes a folder that a user may write, and gives its path.
func Folder(path string, user *process.User) (string, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", err
	}
	if user == nil {
		return path, nil
	}
	return path, os.Chown(path, int(user.UID), int(user.GID))
}
