// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"context"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// cpu is the processor time of this process so far, both sides of the benchmark.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// frameFunc is a Receiver.
type frameFunc func(from chain.ValidatorNo, class transport.Class, kind uint8, bytes int, r io.Reader) error

func (f frameFunc) Frame(from chain.ValidatorNo, class transport.Class, kind uint8, bytes int, r io.Reader) error {
	return f(from, class, kind, bytes, r)
}

// slow sets the defaults of the product's times, which the tests shorten.
func slow(o *transport.Options) {
	o.PingInterval, o.DeadAfter = transport.DefaultPingInterval, transport.DefaultDeadAfter
}

// credits let a sender be ahead of the receiver by so many units, without spending processor time on waiting.
type credits chan struct{}

func newCredits(n int) credits {
	c := make(credits, n)
	for range n {
		c <- struct{}{}
	}
	return c
}

func (c credits) takeAll() {
	for range cap(c) {
		<-c
	}
}

// BenchmarkConsensusFrames sends frames of 128 bytes as fast as they are taken.
func BenchmarkConsensusFrames(b *testing.B) {
	const unit = 1024
	ahead := newCredits(4)
	received := 0
	from, _ := pair(b, frameFunc(func(_ chain.ValidatorNo, _ transport.Class, _ uint8, n int, r io.Reader) error {
		var vote [128]byte
		_, err := io.ReadFull(r, vote[:n])
		if received++; received%unit == 0 {
			ahead <- struct{}{}
		}
		return err
	}), slow)
	var vote [128]byte
	before := cpu(b)
	frames := 0
	for b.Loop() {
		<-ahead
		for range unit {
			if err := from.Send(1, transport.Consensus, 1, vote[:]); err != nil {
				b.Fatal(err)
			}
		}
		frames += unit
	}
	ahead.takeAll()
	b.ReportMetric(float64(frames)/b.Elapsed().Seconds(), "frames/s")
	b.ReportMetric(float64(cpu(b)-before)/float64(frames), "cpu-ns/frame")
}

// BenchmarkBatches sends full batches from a pool into a pool.
func BenchmarkBatches(b *testing.B) {
	const batchBytes = 512 << 10
	ahead := newCredits(16)
	pool := seglog.NewPool(64<<20, 64<<20)
	from, _ := pair(b, intoPool(pool, func(buffer *seglog.Buffer) {
		buffer.Release()
		ahead <- struct{}{}
	}), slow)
	batch, err := pool.TryGet(batchBytes)
	if err != nil {
		b.Fatal(err)
	}
	defer batch.Release()
	b.SetBytes(batchBytes)
	before := cpu(b)
	for b.Loop() {
		<-ahead
		batch.Retain()
		if err := from.SendOwned(1, transport.Batches, 1, nil, batch); err != nil {
			b.Fatal(err)
		}
	}
	ahead.takeAll()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/batchBytes, "cpu-ns/B")
}

// intoPool receives each frame into a buffer.
func intoPool(pool *seglog.Pool, take func(*seglog.Buffer)) frameFunc {
	return func(_ chain.ValidatorNo, _ transport.Class, _ uint8, n int, r io.Reader) error {
		buffer, err := pool.TryGet(n)
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(r, buffer.Payload()); err != nil {
			buffer.Release()
			return err
		}
		take(buffer)
		return nil
	}
}

// BenchmarkRoundTrip sends a frame and waits for the answer, on an idle machine and beside a stream of batches.
func BenchmarkRoundTrip(b *testing.B) {
	for _, busy := range []bool{false, true} {
		b.Run(map[bool]string{false: "idle", true: "beside batches"}[busy], func(b *testing.B) { roundTrip(b, busy) })
	}
}

func roundTrip(b *testing.B, busy bool) {
	answers := make(chan struct{}, 1)
	nodes := make([]*transport.TCP, 2)
	for i := range nodes {
		o := options(b, chain.ValidatorNo(i))
		slow(&o)
		nodes[i] = listen(b, o)
	}
	for i, n := range nodes {
		setPeers(b, n, peerOf(0, nodes[0]), peerOf(1, nodes[1]))
		start(b, n, frameFunc(func(from chain.ValidatorNo, class transport.Class, _ uint8, size int, r io.Reader) error {
			if class == transport.Batches {
				_, err := io.Copy(io.Discard, r)
				return err
			}
			var vote [128]byte
			if _, err := io.ReadFull(r, vote[:size]); err != nil || i == 0 {
				answers <- struct{}{}
				return err
			}
			return n.Send(from, transport.Consensus, 1, vote[:])
		}))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if busy {
		go flood(ctx, nodes[0])
	}
	var took []time.Duration
	for b.Loop() {
		at := time.Now()
		if err := nodes[0].Send(1, transport.Consensus, 1, make([]byte, 128)); err != nil {
			b.Fatal(err)
		}
		<-answers
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-us")
}

// flood offers 100 batches a second: what 800,000 transfers a second take.
func flood(ctx context.Context, from *transport.TCP) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	batch := make([]byte, 512<<10)
	for {
		select {
		case <-tick.C:
			from.Send(1, transport.Batches, 1, batch)
		case <-ctx.Done():
			return
		}
	}
}
