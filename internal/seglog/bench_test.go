// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkAppend writes flat out on the disk under the temporary folder: set TMPDIR to choose it. Besides MB/s it tells
// the CPU used per GB and the time from Append to done.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name    string
		payload int
	}{
		{"batch525KiB", 1024 + 8192*64},
		{"record4KiB", 0},
	} {
		b.Run(c.name, func(b *testing.B) { benchAppend(b, c.payload, 0) })
	}
	// 192 MB/s is 3 million transfers of 64 bytes a second.
	b.Run("batch525KiB@192MBps", func(b *testing.B) { benchAppend(b, 1024+8192*64, 192e6) })
}

func benchAppend(b *testing.B, payload int, bytesPerSecond float64) {
	pool := NewPool(64<<20, 64<<20)
	l, err := Open(b.TempDir(), Options{Pool: pool})
	if err != nil {
		b.Fatal(err)
	}
	warm(b, pool, payload)
	var wg sync.WaitGroup
	latency := make([]time.Duration, b.N)
	n := int64(recordBytes(payload))
	b.SetBytes(n)
	cpu := cpuTime(b)
	b.ResetTimer()
	begin := time.Now()
	for i := range b.N {
		if bytesPerSecond > 0 {
			time.Sleep(time.Duration(float64(int64(i)*n)/bytesPerSecond*float64(time.Second)) - time.Since(begin)) //lint:sleep paces the load of a benchmark
		}
		buf, err := l.Buffer(context.Background(), payload)
		if err != nil {
			b.Fatal(err)
		}
		wg.Add(1)
		start := time.Now()
		if err := l.Append(context.Background(), buf, func(_ Pos, err error) {
			if err != nil {
				b.Error(err)
			}
			latency[i] = time.Since(start)
			wg.Done()
		}); err != nil {
			b.Fatal(err)
		}
		if s := l.Segments(); len(s) > 16 {
			if _, err := l.Recycle(s[8].Number); err != nil {
				b.Fatal(err)
			}
		}
	}
	wg.Wait()
	b.StopTimer()
	gb := float64(n) * float64(b.N) / 1e9
	b.ReportMetric((cpuTime(b)-cpu).Seconds()/gb, "cpu-s/GB")
	slices.Sort(latency)
	for _, p := range []struct {
		name string
		at   int
	}{{"p50-ms", b.N / 2}, {"p99-ms", b.N * 99 / 100}, {"max-ms", b.N - 1}} {
		b.ReportMetric(float64(latency[p.at].Microseconds())/1e3, p.name)
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// warm touches the pool's memory, so that page faults are not measured.
func warm(b *testing.B, pool *Pool, payload int) {
	var bufs []*Buffer
	for {
		buf, err := pool.TryGet(payload)
		if err != nil {
			break
		}
		clear(buf.Payload())
		bufs = append(bufs, buf)
	}
	for _, buf := range bufs {
		buf.Release()
	}
	if len(bufs) == 0 {
		b.Fatal("the pool is too small")
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
