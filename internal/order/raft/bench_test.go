// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// wire joins engines of one process without a network.
type wire struct {
	engines []*Engine
	self    chain.ValidatorNo
}

func (w wire) Send(to chain.ValidatorNo, frame []byte) { _ = w.engines[to].Receive(w.self, frame) }

// BenchmarkRounds measures decided proposals on four engines with real disks, which share this machine's. A round is one
// proposal of 60 digests, made durable on a quorum and taken by the leader's reader; the readers of the others follow.
//
//	go test -run '^$' -bench Rounds -benchtime 2s ./internal/order/raft
func BenchmarkRounds(b *testing.B) {
	for _, window := range []int{1, 16} {
		b.Run(fmt.Sprint("window=", window), func(b *testing.B) { benchRounds(b, window) })
	}
}

func benchRounds(b *testing.B, window int) {
	const size = 4
	engines := make([]*Engine, size)
	ctx, cancel := context.WithCancel(b.Context())
	ends := make(chan error, size)
	for i := range size {
		log, err := seglog.Open(filepath.Join(testkit.DiskDir(b), "order"), seglog.Options{SegmentBytes: 16 << 20})
		if err != nil {
			b.Fatal(err)
		}
		defer log.Close()
		engines[i], err = Open(ctx, log, 0, Config{
			Self: chain.ValidatorNo(i), Genesis: Genesis{Voters: voters(size)}, Peers: wire{engines, chain.ValidatorNo(i)},
			WindowMax: window, IntervalMin: time.Nanosecond, PendingMax: 1 << 20,
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	defer func() {
		cancel()
		for range size {
			if err := <-ends; err != nil {
				b.Error(err)
			}
		}
	}()
	for _, e := range engines {
		go func() { ends <- e.Run(ctx) }()
	}
	leader := awaitLeader(engines)
	for _, e := range engines {
		if e != leader {
			go drain(ctx, e)
		}
	}
	before, began := cpu(b), time.Now()
	b.ResetTimer()
	var d chain.Hash
	offered, rounds := uint64(0), 0
	var latency time.Duration
	offer := func(n int) {
		for range n {
			offered++
			binary.BigEndian.PutUint64(d[:], offered)
			if err := leader.Offer(d); err != nil {
				b.Fatal(err)
			}
		}
	}
	offer(2 * window * chain.EntriesPerBlockMax) // so that every proposal is full
	for rounds < b.N {
		p := <-leader.Decided()
		rounds++
		latency += time.Since(time.UnixMicro(int64(p.TimeUs)))
		offer(len(p.Entries))
	}
	b.StopTimer()
	took := time.Since(began)
	b.ReportMetric(float64(rounds)/took.Seconds(), "rounds/s")
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(rounds), "cpu-µs/round")
	b.ReportMetric(float64(latency.Microseconds())/float64(rounds), "µs/decision")
}

func awaitLeader(engines []*Engine) *Engine {
	for {
		for _, e := range engines {
			if e.Status().Role == "leader" {
				return e
			}
		}
		<-time.After(time.Millisecond)
	}
}

func drain(ctx context.Context, e *Engine) {
	for {
		select {
		case <-e.Decided():
		case <-ctx.Done():
			return
		}
	}
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
