// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"runtime"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestCache(t *testing.T) {
	c := NewCache(2, CacheBytesMax)
	p := [3]Public{}
	for i := range p {
		p[i] = testSigner(t, Ed25519, i).Public()
	}
	get := func(i int) *Verifier {
		v, err := c.Get(p[i])
		if err != nil || v.Public() != p[i] {
			t.Fatal(err)
		}
		return v
	}
	v0, _ := get(0), get(1)
	if found, err := c.Find(p[0].Bytes()); err != nil || found != v0 {
		t.Error("Find and Get disagree", err)
	}
	get(2) // evicts 1, which was used before 0
	if get(0) != v0 {
		t.Error("the key used last was evicted")
	}
	want := CacheStats{Hits: 2, Misses: 3, Evictions: 1, Entries: 2, Bytes: 2 * ed25519VerifierBytes}
	if got := c.Stats(); got != want {
		t.Errorf("%+v, must be %+v", got, want)
	}
	if v, err := c.Find(p[1].Bytes()); err != nil || v.Public() != p[1] {
		t.Error("an evicted key must come back", err)
	}
	for _, bad := range [][]byte{nil, {1}, make([]byte, 33)} {
		if _, err := c.Find(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%x: %v", bad, err)
		}
	}
	if _, err := c.Get(Public{}); !fault.Is(err, fault.Invalid) {
		t.Error("no key:", err)
	}
	if v := c.insert(testVerifier(t, p[1])); v == nil || v != get(1) {
		t.Error("of two who missed together, both must get the first Verifier")
	}
}

func TestCacheBounds(t *testing.T) {
	var pool []Public
	for _, s := range Schemes() {
		for n := range 6 {
			pool = append(pool, testSigner(t, s, n).Public())
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.IntRange(1, 9).Draw(t, "entries")
		bytes := rapid.IntRange(mldsa65VerifierBytes, 3*mldsa65VerifierBytes).Draw(t, "bytes")
		c := NewCache(entries, bytes)
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(pool)-1), 0, 20).Draw(t, "uses") {
			if v, err := c.Get(pool[i]); err != nil || v.Public() != pool[i] {
				t.Fatal(err)
			}
			s := c.Stats()
			if s.Entries > entries || s.Bytes > bytes || s.Entries != c.order.Len() || s.Entries == 0 {
				t.Fatalf("%+v", s)
			}
			if c.order.Front().Value.(*Verifier).Public() != pool[i] {
				t.Fatal("the key used last is not first")
			}
		}
	})
	defer func() {
		if recover() == nil {
			t.Error("a cache without room for a key must be refused")
		}
	}()
	NewCache(1, 1)
}

func TestCacheConcurrent(t *testing.T) {
	c := NewCache(4, CacheBytesMax)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				p := testSigner(t, Ed25519, (g*i)%7).Public()
				if v, err := c.Find(p.Bytes()); err != nil || v.Public() != p {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestCacheHitAllocatesNothing(t *testing.T) {
	c := NewCache(CacheEntriesMax, CacheBytesMax)
	key := testSigner(t, MLDSA65, 1).Public().Bytes()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := c.Find(key); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestVerifierBytes measures what the cache counts: the constants must be true, and not wastefully high.
func TestVerifierBytes(t *testing.T) {
	for _, s := range Schemes() {
		const n = 200
		keys := make([][]byte, n)
		for i := range keys {
			keys[i] = testSigner(t, s, i).Public().Bytes()
		}
		kept := make([]*Verifier, n)
		var before, after runtime.MemStats
		runtime.GC() // twice: what other tests left in pools goes with the second
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i, key := range keys {
			p, err := ParsePublic(key)
			if err != nil {
				t.Fatal(err)
			}
			kept[i] = testVerifier(t, p)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		got := int(after.HeapAlloc-before.HeapAlloc) / n
		t.Logf("%s: %d heap bytes a verifier, counted as %d", s, got, kept[0].heapBytes())
		if got > kept[0].heapBytes() || got < kept[0].heapBytes()/3 {
			t.Errorf("%s: %d bytes, the constant says %d", s, got, kept[0].heapBytes())
		}
		runtime.KeepAlive(keys)
	}
}
