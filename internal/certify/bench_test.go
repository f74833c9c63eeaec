// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"context"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// BenchmarkVerify is what one core verifies of peers' votes.
func BenchmarkVerify(b *testing.B) {
	m := membership(b, 4)
	for name, h := range map[string]chain.Height{"plain": 1, "rooted": 4} {
		b.Run(name, func(b *testing.B) {
			v := realVote(b, 1, h, 0)
			for b.Loop() {
				if !m.Verify(&v) {
					b.Fatal("refused")
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "votes/s")
		})
	}
}

// BenchmarkCertify is a height of four validators in one process, disks in memory, no state roots: one at a time, and
// sixteen.
func BenchmarkCertify(b *testing.B) {
	rootless.Store(true)
	defer rootless.Store(false)
	for name, depth := range map[string]chain.Height{"depth1": 0, "depth16": 16} {
		b.Run(name, func(b *testing.B) {
			_, nodes := newNetwork(b, 4, 4)
			b.ResetTimer()
			errs := make(chan error)
			for _, n := range nodes {
				go func() { errs <- n.pipeline(context.Background(), 1, chain.Height(b.N), depth) }()
			}
			for range nodes {
				if err := <-errs; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "heights/s")
			b.StopTimer()
			for _, n := range nodes {
				_ = n.stop()
			}
		})
	}
}

// BenchmarkCore is the core's share of a height of 64 validators, without signatures and disk.
func BenchmarkCore(b *testing.B) {
	cfg := coreConfig(0, 64)
	c := NewCore(cfg, &Recovered{votes: map[chain.Height]*Vote{}})
	h := chain.Height(0)
	for b.Loop() {
		h++
		in := []Input{Executed{voteOf(0, h, 0)}, Signed{h}}
		for i := 1; i < 64; i++ {
			in = append(in, received(i, h, 0))
		}
		if _, err := c.Step(append(in, Published{h})...); err != nil {
			b.Fatal(err)
		}
	}
}
