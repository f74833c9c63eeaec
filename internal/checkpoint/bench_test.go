// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// BenchmarkWrite writes 16 MiB, all changed, without a bound on the rate.
func BenchmarkWrite(b *testing.B) {
	s, err := Open(b.TempDir(), OS{}, testConfig)
	if err != nil {
		b.Fatal(err)
	}
	space := pages.NewSpace()
	c := pages.NewColumn[chain.Amount](space, 1, 1<<20)
	b.SetBytes(16 << 20)
	for range b.N {
		for page := range uint64(1024) {
			c.Mut(page*1024).Lo++
		}
		sn := space.Snapshot()
		if _, err := s.Write(context.Background(), sn, Meta{Chain: testChain}); err != nil {
			b.Fatal(err)
		}
		sn.Release()
	}
}

// BenchmarkLoadVerified reads 16 MiB from the page cache and recomputes the root.
func BenchmarkLoadVerified(b *testing.B) {
	s, err := Open(b.TempDir(), OS{}, testConfig)
	if err != nil {
		b.Fatal(err)
	}
	space := pages.NewSpace()
	c := pages.NewColumn[chain.Amount](space, 1, 1<<20)
	for page := range uint64(1024) {
		c.Mut(page * 1024).Lo = page
	}
	sn := space.Snapshot()
	if _, err := s.Write(context.Background(), sn, Meta{Chain: testChain, Root: pages.NewTree().Update(sn)}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(16 << 20)
	for range b.N {
		if _, _, err := s.LoadVerified(all); err != nil {
			b.Fatal(err)
		}
	}
}
