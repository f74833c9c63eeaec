// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

const benchRecords = 1 << 20 // of 16 bytes: 1,024 pages

func filled() (*Space, *Column[chain.Amount]) {
	s := NewSpace()
	c := NewColumn[chain.Amount](s, 1, benchRecords)
	for i := range uint64(benchRecords) {
		c.Mut(i).Lo = i
	}
	return s, c
}

// BenchmarkMut changes random records; every 250,000 writes all pages are seen by a new snapshot and the one before goes.
func BenchmarkMut(b *testing.B) {
	for name, every := range map[string]int{"snapshots": 250_000, "none": 1 << 62} {
		b.Run(name, func(b *testing.B) {
			s, c := filled()
			last := s.Snapshot()
			x := uint64(1)
			for i := range b.N {
				if i%every == 0 {
					next := s.Snapshot()
					last.Release()
					last = next
				}
				x = x*6364136223846793005 + 1442695040888963407
				c.Mut(x>>44).Lo++
			}
		})
	}
}

// BenchmarkMutInCache measures the path alone: one page.
func BenchmarkMutInCache(b *testing.B) {
	_, c := filled()
	for i := range b.N {
		c.Mut(uint64(i)&255).Lo++
	}
}

func BenchmarkOwnedInCache(b *testing.B) {
	_, c := filled()
	for i := range b.N {
		record := c.Owned(uint64(i) & 255)
		if record == nil {
			record = c.Mut(uint64(i) & 255)
		}
		record.Lo++
	}
}

func BenchmarkRefInCache(b *testing.B) {
	_, c := filled()
	for i := range b.N {
		if c.Ref(uint64(i)&255).Hi != 0 {
			b.Fatal("another record")
		}
	}
}

func BenchmarkPeekInCache(b *testing.B) {
	_, c := filled()
	for i := range b.N {
		if c.Peek(uint64(i)&255).Hi != 0 {
			b.Fatal("another record")
		}
	}
}

// BenchmarkUpdate hashes 16 MiB of changed pages.
func BenchmarkUpdate(b *testing.B) {
	s, c := filled()
	tree := NewTree()
	b.SetBytes(benchRecords * 16)
	for range b.N {
		b.StopTimer()
		for page := range uint64(benchRecords / 1024) {
			c.Mut(page*1024).Lo++
		}
		sn := s.Snapshot()
		b.StartTimer()
		tree.Update(sn)
		sn.Release()
	}
}

// BenchmarkSnapshot freezes 1,024 pages and copies them all on the next writes.
func BenchmarkSnapshot(b *testing.B) {
	s, c := filled()
	last := s.Snapshot()
	for range b.N {
		next := s.Snapshot()
		last.Release()
		last = next
		for page := range uint64(benchRecords / 1024) {
			c.Mut(page*1024).Lo++
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	s, _ := filled()
	tree := NewTree()
	sn := s.Snapshot()
	tree.Update(sn)
	proof := tree.Proof(1, 77)
	v, _ := sn.Section(1)
	page, _ := v.Page(77)
	for range b.N {
		if err := Verify(tree.Root(), proof, page.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
